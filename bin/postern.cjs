#!/usr/bin/env node
'use strict'
/*
 * The command `postern`. Written in the oldest syntax in use, so that any Node can read it: it either runs the program
 * in this Node, or in a newer one that came with the package, or says in a sentence what is missing.
 */
var childProcess = require('child_process')
var fs = require('fs')
var path = require('path')
var url = require('url')

var OLDEST = [24, 12]
var HOME = path.join(__dirname, '..')
var FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']

function isNewEnough(version) {
  var parts = String(version).replace(/^v/, '').split('.')
  var major = Number(parts[0])
  return major > OLDEST[0] || (major === OLDEST[0] && Number(parts[1]) >= OLDEST[1])
}

/* Places where a Node may have come with the package, nearest first; none of them need exist. */
function candidates() {
  var name = 'node-' + process.platform + '-' + process.arch
  var found = [path.join(HOME, 'node_modules', name, 'bin', 'node')]
  try {
    found.push(path.join(path.dirname(require.resolve(name + '/package.json')), 'bin', 'node'))
  } catch (error) {
    /* Not installed anywhere above us: one place less to look. */
    if (error.code !== 'MODULE_NOT_FOUND') throw error
  }
  return found
}

/* A file may be there and yet not run: made for another C library, or on a volume where nothing may be executed. */
function isUsable(file) {
  if (!fs.existsSync(file)) return false
  var answer = childProcess.spawnSync(file, ['--version'], { encoding: 'utf8', env: {} })
  return answer.status === 0 && isNewEnough(answer.stdout.trim())
}

/*
 * Keeps what Node compiled, so that the next start takes half the time. Beside the packages: a folder that others may
 * write to would let them choose what runs. Where we may not write either, Node goes on without.
 */
function keepCompiled() {
  var nodeModule = require('module')
  var packages = path.join(HOME, 'node_modules')
  var cache = path.join(packages, '.cache', 'postern')
  if (typeof nodeModule.enableCompileCache !== 'function' || process.env.NODE_COMPILE_CACHE) return
  if (!fs.existsSync(packages)) return
  process.env.NODE_COMPILE_CACHE = cache
  nodeModule.enableCompileCache(cache)
}

function runHere() {
  keepCompiled()
  var built = path.join(HOME, 'dist', 'core', 'main.js')
  var entry = fs.existsSync(built) ? built : path.join(HOME, 'core', 'main.ts')
  /* As a literal this call is a syntax error in the Nodes this file must be readable to. */
  // oxlint-disable-next-line no-implied-eval
  var load = new Function('specifier', 'return import(specifier)')
  load(url.pathToFileURL(entry).href).then(null, function (error) {
    if (error && error.code === 'ERR_MODULE_NOT_FOUND' && !fs.existsSync(path.join(HOME, 'node_modules')))
      console.error("Postern's packages are not installed; run `npm ci` in " + HOME + ' first.')
    else console.error(error)
    process.exitCode = 1
  })
}

/* These work as Postern uses them; a warning about them would be the first thing a newcomer reads. */
function hideExperimentalWarnings() {
  var emitWarning = process.emitWarning
  process.emitWarning = function (warning, type) {
    var kind = type && typeof type === 'object' ? type.type : type
    var text = String(warning && warning.message ? warning.message : warning)
    if (kind === 'ExperimentalWarning' && /strip|SQLite|execve/i.test(text)) return
    emitWarning.apply(process, arguments)
  }
}

function runWith(node) {
  var args = process.execArgv.concat([__filename], process.argv.slice(2))
  /* Takes this process over: nothing stays in between that would have to pass signals on. */
  if (typeof process.execve === 'function') process.execve(node, [node].concat(args), process.env)
  var child = childProcess.spawn(node, args, { stdio: 'inherit' })
  FORWARDED.forEach(function (signal) {
    process.on(signal, function () {
      /* Typed at a terminal it reaches the child by itself too: being asked to stop twice means no more than once. */
      child.kill(signal)
    })
  })
  child.on('error', function (error) {
    console.error('Postern could not start ' + node + ': ' + error.message)
    process.exit(1)
  })
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code)
    FORWARDED.forEach(function (name) {
      process.removeAllListeners(name)
    })
    process.kill(process.pid, signal)
  })
}

function main() {
  hideExperimentalWarnings()
  if (isNewEnough(process.versions.node)) return runHere()
  var places = candidates()
  for (var i = 0; i < places.length; i++) if (isUsable(places[i])) return runWith(places[i])
  console.error(
    'Postern needs Node.js ' +
      OLDEST.join('.') +
      ' or newer; this is ' +
      process.versions.node +
      '. Install it from https://nodejs.org/, or run `npm ci` in ' +
      HOME +
      ', which brings a Node of its own on Linux.',
  )
  process.exitCode = 1
}

main()
