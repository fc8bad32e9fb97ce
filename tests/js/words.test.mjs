// The views' words in every language, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { marked, WORDS, worded } from '../../js/words.js'

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
      assert.ok(/[\u3040-\u30ff\u4e00-\u9fff]/.test(text) || (language === 'ja' && ['fps', 'run'].includes(key)) || key === 'between', `${language} ${key}: ${text}`)
    }
  }
})

test('every text is used, and every text used is there', () => {
  const calls = programs.flatMap((text) => [...text.matchAll(/\b(?:say\(|worded\(locale, )(?:[^,()]* \? )?'(\w+)'(?: : '(\w+)')?/g)])
  const labels = programs.flatMap((text) => [...text.matchAll(/static label = '(\w+)'/g)])
  const used = [...calls, ...labels].flatMap(([, ...keys]) => keys.filter(Boolean))
  const others = Object.keys(WORDS.en).filter((key) => !key.startsWith('mark_')) // tests/unit/test_javascript.py looks at those
  assert.deepEqual([...new Set(used)].sort(), others.sort())
})

test('marks name their frames in every language', () => {
  const mark = { key: 'empty', values: { where: [[2, 4], [7, 7]] } }
  assert.equal(marked('en', mark), 'is empty in frames 2 to 4, 7')
  assert.equal(marked('zh', mark), '在第 2 到 4、7 帧为空')
  assert.equal(marked('ja', mark), 'フレーム 2〜4、7 では空です')
  assert.equal(marked('en', { key: 'empty', values: { where: [[3, 3]] } }), 'is empty in frame 3')
})

test('values are filled in as they are, and other languages get English', () => {
  assert.equal(worded('zh-CN', 'fps', { rate: 8 }), '8 帧/秒')
  assert.equal(worded('fr', 'player_picture', { what: '$& {count}', frame: 1, count: 2 }).split('. ')[0], '$& {count}, frame 1 of 2')
  assert.equal(worded(undefined, 'undo'), 'Undo')
})
