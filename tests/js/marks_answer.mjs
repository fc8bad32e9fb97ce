// Answers tests/unit/test_javascript.py: reads marks of regions as JSON, writes what the overview says of each in English.

import { text } from 'node:stream/consumers'
import { marked, WORDS } from '../../js/words.js'

const keys = Object.keys(WORDS.en).filter((key) => key.startsWith('mark_')).map((key) => key.slice(5))
const said = JSON.parse(await text(process.stdin)).map((mark) => marked('en', mark))
process.stdout.write(JSON.stringify({ keys, said }))
