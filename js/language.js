// What the frontend leaves in English: the choices of our nodes' lists, whose values stay as they are; and the notes, groups and
// titles of our own workflows, which are translated when one is opened and saved so. In both renderers.

import { app } from '../../scripts/app.js'
import { optionWords } from './option_words.js'
import { translate } from './translate.js'

const locale = () => app.extensionManager.setting.get('Comfy.Locale')

app.registerExtension({
  name: 'videograin.language',

  nodeCreated(node) {
    if (!node.constructor.comfyClass?.startsWith('VideoGrain')) return
    for (const widget of node.widgets ?? []) {
      const words = widget.type === 'combo' && optionWords(locale(), widget.name)
      if (words) widget.options.getOptionLabel = (value) => words[value] ?? String(value ?? '')
    }
  },

  beforeConfigureGraph(workflow) {
    translate(workflow, locale())
  },
})
