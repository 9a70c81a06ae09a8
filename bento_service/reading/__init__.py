"""From a question and its context to answers: windows, scheduler, engine, spans. Needs neither torch nor BentoML."""
