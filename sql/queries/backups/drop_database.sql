-- With whoever is connected to it. Identifiers: name.
DROP DATABASE IF EXISTS {name} WITH (FORCE)
