"""`make new`: a project of one's own from this template, with the census taken out."""
