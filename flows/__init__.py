"""The desk's routines, each readable in one screen."""
