#!/usr/bin/env node
'use strict'
/* The command `mailq`: what `postern queue list` shows. */
process.argv.splice(2, 0, 'queue', 'list')
require('./postern.cjs')
