/** Queue ids: `q_` and 12 characters, in the order in which they were made. */
import { randomInt } from 'node:crypto'

/** Digits and consonants: no vowels, so that no words come about. In ascending order, so that ids sort by time. */
const ALPHABET = '0123456789bcdfghjklmnpqrstvwxyz'
const HALF_LENGTH = 6
const HALF = ALPHABET.length ** HALF_LENGTH
/** 2024-01-01; seconds since then fit into one half until 2052, when the order starts again. */
const EPOCH_SECONDS = 1_704_067_200

/** Looks like a queue id; whether there is such a message is another question. */
export const QUEUE_ID = /^q_[0-9b-df-hj-np-tv-z]{12}$/

/**
 * A source of queue ids. Six characters are the second; the other six start at a random number in each second and
 * count from there, so that one source never gives an id twice and two sources practically never meet.
 *
 * @param now    milliseconds since 1970; when it goes back, ids go on from the latest second
 * @param random whole number from 0 up to, not including, its argument
 */
export function createQueueIds(
  now: () => number,
  random: (below: number) => number = (below) => randomInt(below),
): () => string {
  let second = -1
  let count = 0
  return () => {
    // A machine whose clock was never set still gives ids, only not in order with later ones.
    const current = Math.max(0, Math.floor(now() / 1000) - EPOCH_SECONDS)
    if (current > second) {
      second = current
      // The lower half: counting on from there never reaches the end.
      count = random(Math.floor(HALF / 2))
    }
    count += 1
    return `q_${encode(second)}${encode(count)}`
  }
}

function encode(value: number): string {
  let rest = value % HALF
  let text = ''
  for (let i = 0; i < HALF_LENGTH; i++) {
    text = ALPHABET.charAt(rest % ALPHABET.length) + text
    rest = Math.floor(rest / ALPHABET.length)
  }
  return text
}
