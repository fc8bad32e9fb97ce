// Windows into a picture: [left, top, share], shares of the picture's sides. A window has the shape of the picture, so one
// share is enough. Nothing here touches the page.

export const WHOLE = [0, 0, 1]
const LEAST = 1 / 16 // of the picture's sides: below it there are no more pixels to see
const clamp = (value, least, most) => Math.max(least, Math.min(most, value))

/** The nearest window to one of that middle that is not too small and lies inside the picture. */
function around(x, y, wanted) {
  const share = clamp(wanted, LEAST, 1)
  return [clamp(x - share / 2, 0, 1 - share), clamp(y - share / 2, 0, 1 - share), share]
}

/** The smallest window around a rectangle of left, top, right, bottom; margin: of its longer side, added all around. */
export function covering([left, top, right, bottom], margin = 0) {
  const longer = Math.max(right - left, bottom - top)
  return around((left + right) / 2, (top + bottom) / 2, longer * (1 + 2 * margin))
}

/** A window with the same middle; factor below 1: closer. */
export const scaled = ([left, top, share], factor) => around(left + share / 2, top + share / 2, share * factor)

/** A window moved by so much of itself. */
export const moved = ([left, top, share], right, down) => around(left + (right + 0.5) * share, top + (down + 0.5) * share, share)

/** The picture's place [x, y] at a place of the window, both as shares. */
export const through = ([left, top, share], [x, y]) => [left + x * share, top + y * share]

/** Where in a window a place of the picture is seen. */
export const seen = ([left, top, share], [x, y]) => [(x - left) / share, (y - top) / share]

export const same = (one, other) => one.every((value, index) => Math.abs(value - other[index]) < 1e-6)
