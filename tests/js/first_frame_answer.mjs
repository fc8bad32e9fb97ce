// Answers tests/unit/test_first_frame.py: reads cases as JSON, writes which frame the view would show, and how it lies.

import { text } from 'node:stream/consumers'
import { firstTime, placed } from '../../js/first_frame.js'

const { times, sizes } = JSON.parse(await text(process.stdin))
const answers = { times: [], sizes: sizes.map(({ have, fit }) => placed(have, fit)) }
for (const { starts, end, wanted } of times) {
  const shownAt = async (time) => starts.findLast((start) => start <= time) ?? starts[0]
  const time = await firstTime(shownAt, end, wanted)
  answers.times.push(time === null ? null : starts.indexOf(time))
}
process.stdout.write(JSON.stringify(answers))
