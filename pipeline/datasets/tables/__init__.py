"""Images whose classes and splits stand in a table: lists of files, and tables that hold the images too."""
