"""Pipeline: the stages of a study from its description to a champion; each stage can be resumed."""
