// The choices of our nodes' lists in the user's language, in both renderers; the value underneath stays English.

import { app } from '../../scripts/app.js'
import { optionWords } from './option_words.js'

app.registerExtension({
  name: 'videograin.options',

  nodeCreated(node) {
    if (!node.constructor.comfyClass?.startsWith('VideoGrain')) return
    const locale = app.extensionManager.setting.get('Comfy.Locale')
    for (const widget of node.widgets ?? []) {
      const words = widget.type === 'combo' && optionWords(locale, widget.name)
      if (words) widget.options.getOptionLabel = (value) => words[value] ?? String(value ?? '')
    }
  },
})
