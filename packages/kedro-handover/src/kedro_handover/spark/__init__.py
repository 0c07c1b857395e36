"""Spark: the session that conf describes, and the hand-over of the research tree."""
