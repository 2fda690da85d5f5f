DROP TABLE changed_fills
