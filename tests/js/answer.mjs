// Answers tests/unit/test_javascript.py: reads cases as JSON, writes what the picker's own code finds for each.

import { text } from 'node:stream/consumers'
import { unpack } from '../../js/choice.js'

const answers = []
for (const { labels, shape, size, names, choice } of JSON.parse(await text(process.stdin))) {
  const chosen = (await unpack(labels, shape, size)).chosen(choice, names)
  answers.push(chosen.map((frame) => [...frame]))
}
process.stdout.write(JSON.stringify(answers))
