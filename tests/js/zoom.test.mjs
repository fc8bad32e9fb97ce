// The player's windows into a picture, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covering, moved, same, scaled, seen, through, WHOLE } from '../../js/zoom.js'

const near = (one, other) => assert.ok(same(one, other), `${one} is not ${other}`)

test('a window covers its rectangle, in the shape of the picture', () => {
  near(covering([0.25, 0.5, 0.5, 0.6]), [0.25, 0.425, 0.25])
  near(covering([0.25, 0.5, 0.5, 0.6], 0.1), [0.225, 0.4, 0.3])
})

test('a window stays inside the picture and is never too small', () => {
  near(covering([0, 0, 0.25, 0.5]), [0, 0, 0.5])
  near(covering([0.9, 0.9, 1, 1], 1), [0.7, 0.7, 0.3])
  near(covering([0, 0, 1, 1], 0.5), WHOLE)
  near(covering([0.5, 0.5, 0.5, 0.5]), [0.46875, 0.46875, 0.0625])
  near(moved([0.5, 0.5, 0.5], 1, -2), [0.5, 0, 0.5])
})

test('closer and back keeps the middle', () => {
  const window = scaled([0.2, 0.3, 0.4], 0.5)
  near(window, [0.3, 0.4, 0.2])
  near(scaled(window, 2), [0.2, 0.3, 0.4])
  near(scaled(window, 100), WHOLE)
})

test('a window moves by shares of itself', () => near(moved([0.25, 0.25, 0.5], 0.1, -0.1), [0.3, 0.2, 0.5]))

test('a place is found through a window and seen in it again', () => {
  near(through([0.2, 0.4, 0.5], [0.5, 0.2]), [0.45, 0.5])
  near(seen([0.2, 0.4, 0.5], through([0.2, 0.4, 0.5], [0.3, 0.9])), [0.3, 0.9])
})
