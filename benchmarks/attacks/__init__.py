"""Scripted attacks on the program: damaged files and hostile input, counted by what is held."""
