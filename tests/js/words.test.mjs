// The views' words in every language, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { WORDS, worded } from '../../js/words.js'

const folder = (path) => new URL(`../../${path}/`, import.meta.url)
const names = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([name]) => name).sort()
const read = (name) => readFileSync(new URL(name, folder('js')), 'utf8')
const programs = readdirSync(folder('js')).filter((name) => name.endsWith('.js')).map(read)

test('the languages are those of the node definitions', () => {
  assert.deepEqual(Object.keys(WORDS).sort(), readdirSync(folder('locales')).sort())
})

test('every language has every text, with the same values in it', () => {
  for (const [language, words] of Object.entries(WORDS)) {
    assert.deepEqual(Object.keys(words), Object.keys(WORDS.en), language)
    for (const [key, text] of Object.entries(words)) {
      assert.ok(text.trim(), `${language} ${key}`)
      assert.deepEqual(names(text), names(WORDS.en[key]), `${language} ${key}`)
    }
  }
})

test('a text is translated, not copied', () => {
  for (const language of ['zh', 'ja']) {
    for (const [key, text] of Object.entries(WORDS[language])) {
      assert.ok(/[\u3040-\u30ff\u4e00-\u9fff]/.test(text) || (language === 'ja' && key === 'fps'), `${language} ${key}: ${text}`)
    }
  }
})

test('every text is used, and every text used is there', () => {
  const calls = programs.flatMap((text) => [...text.matchAll(/\bsay\((?:[^,()]* \? )?'(\w+)'(?: : '(\w+)')?/g)])
  const used = calls.flatMap(([, ...keys]) => keys.filter(Boolean))
  assert.deepEqual([...new Set(used)].sort(), Object.keys(WORDS.en).sort())
})

test('values are filled in as they are, and other languages get English', () => {
  assert.equal(worded('zh-CN', 'fps', { rate: 8 }), '8 帧/秒')
  assert.equal(worded('fr', 'player_picture', { what: '$& {count}', frame: 1, count: 2 }).split('. ')[0], '$& {count}, frame 1 of 2')
  assert.equal(worded(undefined, 'undo'), 'Undo')
})
