"""Images whose classes and splits are in a table: lists of files, and tables that contain the images too."""
