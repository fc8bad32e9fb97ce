"""What our lists show in another language: js/option_words.js, asked by Playwright's Node.js."""

import json
import subprocess
from functools import cache
from pathlib import Path

import playwright

ROOT = Path(__file__).parents[2]
NODE = Path(playwright.__file__).with_name("driver") / "node"
ASK = """import { optionWords } from './js/option_words.js'
const [language, ...inputs] = process.argv.slice(1)
console.log(JSON.stringify(Object.fromEntries(inputs.map((input) => [input, optionWords(language, input) ?? {}]))))"""


@cache
def option_words(language: str, *inputs: str) -> dict[str, dict[str, str]]:
    """Input -> value -> its text; a value that stays as it is, is not there."""
    command = [NODE, "--input-type=module", "-e", ASK, language, *inputs]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
