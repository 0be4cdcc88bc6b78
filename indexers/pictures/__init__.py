"""Pictures: where they lie, how they are read, and how hostile ones are held off."""
