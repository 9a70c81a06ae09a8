"""Examples become what a network is trained on: windows with targets, constructed unanswerable ones, soft labels."""
