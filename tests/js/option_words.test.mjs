// The choices' texts in Chinese and Japanese, against what the nodes offer. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { optionWords } from '../../js/option_words.js'

const SCHEMA = JSON.parse(readFileSync(new URL('../schema.json', import.meta.url), 'utf8'))
const KEPT = /^(fp\d+|1\/\d(, 1\/\d)*)$/ // formats and shares read the same in every language
const OF_CORE = ['sampler_name', 'scheduler'] // names that core leaves as they are

const lists = new Map() // input → its values on all nodes
for (const { inputs } of Object.values(SCHEMA)) {
  for (const { id, options } of inputs) {
    if (options && !OF_CORE.includes(id)) lists.set(id, new Set([...(lists.get(id) ?? []), ...options]))
  }
}

for (const language of ['zh', 'ja']) {
  test(`every choice is translated to ${language}, and nothing else`, () => {
    for (const [input, values] of lists) {
      const words = optionWords(language, input) ?? {}
      const expected = [...values].filter((value) => !KEPT.test(value))
      assert.deepEqual(Object.keys(words).sort(), expected.sort(), input)
      for (const text of Object.values(words)) assert.match(text, /[\u3040-\u30ff\u4e00-\u9fff]/, input)
    }
  })

  test(`no two choices of a list look alike in ${language}`, () => {
    for (const { inputs } of Object.values(SCHEMA)) {
      for (const { id, options = [] } of inputs) {
        const shown = options.map((value) => optionWords(language, id)?.[value] ?? value)
        assert.equal(new Set(shown).size, options.length, id)
      }
    }
  })
}

test('other languages, and lists of names, show the values themselves', () => {
  assert.equal(optionWords('fr', 'size'), null)
  assert.equal(optionWords('zh', 'scheduler'), null)
  assert.equal(optionWords(undefined, 'size'), null)
  assert.equal(optionWords('ja-JP', 'size').exact, optionWords('ja', 'size').exact)
})
