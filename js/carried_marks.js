// What becomes of a row's marks when the loader gives other frames. A cut is the loader's settings as text, as `asked` of
// clip_preview.js makes it. Nothing here touches the page.

import { scaledMarks } from './marks.js'

const ALIKE = 0.01 // of a side: sides are whole numbers, so that one crop of two sizes is hardly ever the same to the pixel

/**
 * A row with marks for another cut of the clip: in another size of the same crop they lie as they did, in another file there
 * are none. Otherwise they stay, with the cut that they were set on, `cut`: going back to its crop brings their place back.
 */
export function carried(row, before, now) {
  const { cut = before, ...rest } = row
  if (!row.marks.trim()) return row
  if (fileIn(cut) !== fileIn(now)) return { ...rest, marks: '' }
  const ratio = ratioOf(cut, now)
  return ratio ? { ...rest, marks: scaledMarks(row.marks, ratio) } : { ...rest, cut }
}

export const fileIn = (cut) => JSON.parse(cut)[0]

/** How many times as wide and as high the frames of a cut are as those of another; null where they show another part. */
function ratioOf(before, now) {
  const [old, other] = [before, now].map(partsOf)
  const ratio = [0, 1].map((axis) => other.sides[axis] / old.sides[axis])
  return old.shows === other.shows && Math.abs(ratio[0] / ratio[1] - 1) < ALIKE ? ratio : null
}

function partsOf(cut) {
  const [, start, rate, skip, size, width, height] = JSON.parse(cut)
  return { shows: String([start, rate, skip, size]), sides: size === 'exact' ? [width, height] : [1, 1] }
}
