"""Web page: studies, training and results in a browser, by the functions of the command line and the Python API."""
