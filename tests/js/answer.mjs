// Answers tests/unit/test_javascript.py: reads cases as JSON, writes what the picker's own code finds for each.

import { text } from 'node:stream/consumers'
import { unpack } from '../../js/choice.js'

const answers = []
for (const { labels, shape, size, names, choice } of JSON.parse(await text(process.stdin))) {
  const layout = await unpack(labels, shape, size)
  answers.push({ chosen: layout.chosen(choice, names).map((frame) => [...frame]), vain: layout.vain(choice, names) })
}
process.stdout.write(JSON.stringify(answers))
