"""Files behind URLs: tries, deadlines, credentials, and causes in plain words."""
