-- From when on anybody was followed.
SELECT min(followed_from) FROM traders
