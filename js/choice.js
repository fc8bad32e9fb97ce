// The text in Clusters to Mask's `clusters`, and the connected parts it can ask for. Mirrors videograin/masks/cluster_choice.py, which
// makes the mask; tests compare the two. Nothing here touches the page.

/** The parts of a choice between its commas, those inside parentheses left alone. */
export const split = (text) => text.split(/,(?![^()]*\))/).map((part) => part.trim()).filter(Boolean)

/** {cluster, place} of one part; place is [x, y, frame] or null. null if it names no cluster. */
export function read(part, names) {
  const [name, ...rest] = part.split('@').map((piece) => piece.trim())
  const cluster = /^\d+$/.test(name) ? Number(name) : name ? names.indexOf(name) : -1
  if (cluster < 0 || cluster >= names.length) return null
  if (!rest.length) return { cluster, place: null }
  const numbers = /^\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(rest.join('@'))
  return numbers ? { cluster, place: numbers.slice(1).map(Number) } : null
}

const pickOf = (cluster, names) => (part) => {
  const pick = read(part, names)
  return pick?.cluster === cluster ? pick : null
}

/** The choice after a click on a cluster: all of it, or none of it if all of it was chosen. */
export function toggle(text, names, cluster) {
  const ours = pickOf(cluster, names)
  const whole = split(text).some((part) => ours(part)?.place === null)
  const others = split(text).filter((part) => !ours(part))
  return (whole ? others : [...others, String(cluster)]).join(', ')
}

/**
 * The choice after a click on the connected part of a cluster at a place: that part alone of the cluster where all of it
 * was chosen, one part fewer where this one was chosen already, else one more. covers(place): whether the part that was
 * picked at another place is the one clicked.
 */
export function togglePart(text, names, cluster, place, covers) {
  const ours = pickOf(cluster, names)
  const parts = split(text)
  const taken = (part) => ours(part)?.place && covers(ours(part).place)
  if (parts.some(taken)) return parts.filter((part) => !taken(part)).join(', ')
  const kept = parts.filter((part) => ours(part)?.place !== null)
  return [...kept, `${cluster}@(${place.join(', ')})`].join(', ')
}

/** Clusters of every token of every frame. labels: Uint8Array of frames × height × width; size: frame's in pixels. */
export class Labels {
  constructor(labels, [frames, height, width], size) {
    Object.assign(this, { labels, frames, height, width, size, area: height * width })
  }

  at(frame, token) {
    return this.labels[frame * this.area + token]
  }

  /** The token that covers a pixel. */
  token(x, y) {
    const [width, height] = this.size
    return Math.floor((y * this.height) / height) * this.width + Math.floor((x * this.width) / width)
  }

  /** A pixel in the middle of a token, as [x, y]. */
  pixel(token) {
    const [width, height] = this.size
    const column = token % this.width
    const row = Math.floor(token / this.width)
    return [Math.floor(((column + 0.5) * width) / this.width), Math.floor(((row + 0.5) * height) / this.height)]
  }

  contains([x, y, frame]) {
    return x < this.size[0] && y < this.size[1] && frame < this.frames
  }

  /** How often each number occurs in a frame (or in all, without one), as shares, 0 to 1. */
  shares(frame = null) {
    const part = frame === null ? this.labels : this.frame(frame)
    const counts = new Float64Array(256)
    for (const label of part) counts[label] += 1
    return counts.map((count) => count / part.length)
  }

  /** The labels of one frame. */
  frame(number) {
    return this.labels.subarray(number * this.area, (number + 1) * this.area)
  }

  /** Connected parts of a cluster in a frame, numbered from 1 in reading order; 0 elsewhere. */
  parts(cluster, frame) {
    const { width, area } = this
    const labels = this.frame(frame)
    const parts = new Uint16Array(area)
    const open = []
    let count = 0
    const visit = (token) => {
      if (parts[token] || labels[token] !== cluster) return
      parts[token] = count
      open.push(token)
    }
    for (let start = 0; start < area; start += 1) {
      if (parts[start] || labels[start] !== cluster) continue
      count += 1
      visit(start)
      while (open.length) {
        const token = open.pop()
        const column = token % width
        if (column > 0) visit(token - 1)
        if (column < width - 1) visit(token + 1)
        if (token >= width) visit(token - width)
        if (token < area - width) visit(token + width)
      }
    }
    return parts
  }

  /** The connected part around a token in its own frame: a Uint8Array of 0 and 1. */
  around(cluster, frame, token) {
    const parts = this.parts(cluster, frame)
    return Uint8Array.from(parts, (part) => Number(part === parts[token]))
  }

  /** The part around a token, followed through the clip by overlap: one Uint8Array of 0 and 1 for each frame. */
  part(cluster, frame, token) {
    const found = Array.from({ length: this.frames }, () => new Uint8Array(this.area))
    found[frame] = this.around(cluster, frame, token)
    for (const step of [1, -1]) {
      let last = found[frame]
      for (let index = frame + step; index >= 0 && index < this.frames; index += step) {
        const parts = this.parts(cluster, index)
        const overlap = new Uint32Array(this.area + 1)
        last.forEach((inside, each) => { if (inside) overlap[parts[each]] += 1 })
        overlap[0] = 0 // outside
        const most = overlap.reduce((best, size, part) => (size > overlap[best] ? part : best), 0) // of equals the first
        if (most) found[index] = last = parts.map((part) => Number(part === most))
      }
    }
    return found
  }

  /** What a choice covers: one Uint8Array of 0 and 1 for each frame. What it asks for in vain covers nothing. */
  chosen(text, names) {
    const found = Array.from({ length: this.frames }, () => new Uint8Array(this.area))
    const whole = new Set()
    for (const pick of split(text).map((part) => read(part, names))) {
      if (!pick) continue
      if (!pick.place) whole.add(pick.cluster)
      else this.partAt(pick.cluster, pick.place)?.forEach((part, frame) => part.forEach((on, i) => { found[frame][i] |= on }))
    }
    if (whole.size) {
      found.forEach((part, frame) => part.forEach((_, i) => { if (whole.has(this.at(frame, i))) part[i] = 1 }))
    }
    return found
  }

  /** The part of a cluster at a place [x, y, frame]; null where the cluster is not there. */
  partAt(cluster, place) {
    return this.holds(cluster, place) ? this.part(cluster, place[2], this.token(place[0], place[1])) : null
  }

  holds(cluster, place) {
    return this.contains(place) && this.at(place[2], this.token(place[0], place[1])) === cluster
  }

  /** The parts of a choice that ask for what is not there; a run stops at them. */
  vain(text, names) {
    return split(text).filter((part) => {
      const pick = read(part, names)
      return !pick || (pick.place && !this.holds(pick.cluster, pick.place))
    })
  }

  /** The token nearest to the middle of a cluster's largest part in a frame, for its number; -1 if it is not there. */
  middle(cluster, frame) {
    const parts = this.parts(cluster, frame)
    const sizes = new Uint32Array(Math.max(...parts) + 1)
    for (const part of parts) if (part) sizes[part] += 1
    const largest = sizes.indexOf(Math.max(...sizes))
    let [count, x, y] = [0, 0, 0]
    const inside = (token) => parts[token] && parts[token] === largest
    for (let token = 0; token < this.area; token += 1) {
      if (!inside(token)) continue
      count += 1
      x += token % this.width
      y += Math.floor(token / this.width)
    }
    let [nearest, least] = [-1, Infinity]
    for (let token = 0; token < this.area; token += 1) {
      if (!inside(token)) continue
      const distance = ((token % this.width) - x / count) ** 2 + (Math.floor(token / this.width) - y / count) ** 2
      if (distance < least) [nearest, least] = [token, distance]
    }
    return nearest
  }
}

/** Labels from base64 of deflated bytes. */
export async function unpack(text, shape, size) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'))
  return new Labels(new Uint8Array(await new Response(stream).arrayBuffer()), shape, size)
}
