// A plughost that dies as soon as it is started.
process.exit(1)
