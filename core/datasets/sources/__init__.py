"""Where pictures come from: folders, archives, memory."""
