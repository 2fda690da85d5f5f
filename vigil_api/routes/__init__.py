"""The routes: each reads its request, calls one resource, and says what came out."""
