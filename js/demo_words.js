// The words that the demo model was trained on. Mirrors videograin/toybox/vocabulary.py; tests compare the two. Nothing here
// touches the page.

export const NAMES = [
  'cat', 'dog', 'bear', 'panda', 'tiger', 'fox', 'lion', 'wolf', 'pig', 'koala', 'rabbit', 'monkey', 'cow', 'frog', 'penguin', 'owl',
  'car', 'bus', 'firetruck', 'taxi', 'tractor', 'rocket', 'apple', 'tree', 'chick', 'unicorn', 'robot', 'alien', 'pumpkin', 'mushroom',
  'sunflower', 'truck',
  'hat', 'crown', 'sunglasses', 'bow',
  'grass', 'snow', 'sand', 'sea', 'night', 'brick', 'road', 'sunset',
]
const JOINING = ['a', 'an', 'the', 'with', 'and', 'on', 'in', 'at', 'before', 'wall']

const known = new Set([...NAMES, ...JOINING])

/** Whether the demo model knows every word of a phrase. Case, weights and signs do not count. */
export const draws = (phrase) => (phrase.toLowerCase().match(/[\p{L}\p{M}]+/gu) ?? []).every((word) => known.has(word))
