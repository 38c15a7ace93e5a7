"""One step each: retry, time-out, log, artifact."""
