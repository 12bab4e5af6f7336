"""Diagnosis: findings on trainings and studies from their curves, by pure rules; a listener that reports them live."""
