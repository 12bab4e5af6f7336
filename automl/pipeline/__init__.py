"""A study from its description to a champion, stage by stage; each stage can be resumed."""
