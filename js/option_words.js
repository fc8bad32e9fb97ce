// The choices of our nodes' lists in Chinese and Japanese, by input. Only what a list shows: a workflow keeps the English value.
// Nothing here touches the page. A word of the demo model's prompt stands beside its translation: prompts are English.

const LANGUAGES = ['zh', 'ja'] // as the texts below stand

const THINGS = {
  cat: ['猫 cat', '猫 cat'],
  dog: ['狗 dog', '犬 dog'],
  bear: ['熊 bear', '熊 bear'],
  panda: ['熊猫 panda', 'パンダ panda'],
  tiger: ['老虎 tiger', '虎 tiger'],
  fox: ['狐狸 fox', '狐 fox'],
  lion: ['狮子 lion', 'ライオン lion'],
  wolf: ['狼 wolf', '狼 wolf'],
  pig: ['猪 pig', '豚 pig'],
  koala: ['考拉 koala', 'コアラ koala'],
  rabbit: ['兔子 rabbit', '兎 rabbit'],
  monkey: ['猴子 monkey', '猿 monkey'],
  cow: ['奶牛 cow', '牛 cow'],
  frog: ['青蛙 frog', '蛙 frog'],
  penguin: ['企鹅 penguin', 'ペンギン penguin'],
  owl: ['猫头鹰 owl', 'フクロウ owl'],
  car: ['汽车 car', '車 car'],
  bus: ['公交车 bus', 'バス bus'],
  firetruck: ['消防车 firetruck', '消防車 firetruck'],
  taxi: ['出租车 taxi', 'タクシー taxi'],
  tractor: ['拖拉机 tractor', 'トラクター tractor'],
  rocket: ['火箭 rocket', 'ロケット rocket'],
  apple: ['苹果 apple', 'りんご apple'],
  tree: ['树 tree', '木 tree'],
  chick: ['小鸡 chick', 'ひよこ chick'],
  unicorn: ['独角兽 unicorn', 'ユニコーン unicorn'],
  robot: ['机器人 robot', 'ロボット robot'],
  alien: ['外星人 alien', '宇宙人 alien'],
  pumpkin: ['南瓜 pumpkin', 'かぼちゃ pumpkin'],
  mushroom: ['蘑菇 mushroom', 'きのこ mushroom'],
  sunflower: ['向日葵 sunflower', 'ひまわり sunflower'],
  truck: ['卡车 truck', 'トラック truck'],
}
const FRAMES_SEEN = {
  'all frames': ['所有帧', '全フレーム'],
  'first + previous': ['第一帧 + 前一帧', '最初 + 直前'],
  middle: ['中间帧', '中央のフレーム'],
  own: ['仅本帧', '自分だけ'],
}
const LEVEL = { 'as above': ['同上', '上と同じ'], ...FRAMES_SEEN }
const FROM_MODE = { 'from mode': ['由模式决定', 'モードに従う'] }
const AREA = { area: ['面积', '面積'] }
const OFF = { off: ['关闭', 'なし'] }
const SIZE = { ...FROM_MODE, ...AREA, ...OFF }
const SIDE = { positive: ['正面', 'ポジティブ'], negative: ['负面', 'ネガティブ'], both: ['两者', '両方'] }

const OPTIONS = {
  // Load Video Frames
  size: {
    keep: ['保持源尺寸', '元のサイズ'],
    'multiple of 8, cropped': ['8 的倍数，裁剪', '8の倍数、切り取り'],
    'multiple of 64, cropped': ['64 的倍数，裁剪', '64の倍数、切り取り'],
    'multiple of 8, padded': ['8 的倍数，填充', '8の倍数、余白追加'],
    'multiple of 64, padded': ['64 的倍数，填充', '64の倍数、余白追加'],
    exact: ['指定尺寸', '指定サイズ'],
  },
  mode: {
    // Before/After Video
    'side by side': ['并排', '左右に並べる'],
    'top and bottom': ['上下', '上下に並べる'],
    'wipe, moving line': ['划像，移动的线', 'ワイプ、動く線'],
    'wipe, fixed line': ['划像，固定的线', 'ワイプ、固定の線'],
    // ST-Layout Attention, Place Objects
    default: ['默认', '標準'],
    paper: ['论文', '論文'],
    reference: ['官方代码', '公開コード'],
    // Latent Blend
    inversion: ['反演路径', '逆にたどった経路'],
    renoised: ['重新加噪', 'ノイズを加え直す'],
    irjs: ['联合采样 IRJS', '共同サンプリング IRJS'],
    progressive: ['渐进边缘', '縮む縁'],
    // Cross-Attention Fusion
    refine: ['对齐', '対応付け'],
    replace: ['逐词替换', '1語ずつ置換'],
    // Anchor Attention
    concat: ['并入锚帧', 'アンカーを加える'],
    swap: ['只看锚帧', 'アンカーだけ'],
  },
  colour: { white: ['白', '白'], grey: ['灰', '灰色'], black: ['黑', '黒'] },
  // DDIM Inversion
  convention: {
    'low: ε(z_low, t_low)': ['低级别：ε(z_low, t_low)', '低い方：ε(z_low, t_low)'],
    'high: ε(z_low, t_high)': ['高级别：ε(z_low, t_high)', '高い方：ε(z_low, t_high)'],
  },
  // Attention Layout, Show Attention
  feature: {
    'attention rows': ['注意力行', 'アテンションの行'],
    'attention inputs': ['注意力输入', 'アテンションの入力'],
  },
  scope: { 'per frame': ['逐帧', 'フレームごと'], 'whole clip': ['整段视频', 'クリップ全体'], followed: ['跟踪', '追跡'] },
  level: { auto: ['自动', '自動'] },
  blocks: { all: ['全部', 'すべて'], encoder: ['编码器', 'エンコーダー'], decoder: ['解码器', 'デコーダー'] },
  scale: { shared: ['共用', '共通'], own: ['各自', '個別'] },
  // Split Instances
  order: {
    'left to right': ['从左到右', '左から右'],
    'top to bottom': ['从上到下', '上から下'],
    'large to small': ['从大到小', '大きい順'],
  },
  // Seed Regions
  fit: { whole: ['完整', '全体'], 'inside the region': ['限于区域内', '領域の中'] },
  // Bind Region Prompts
  missing_phrase: { error: ['报错停止', 'エラーで停止'], 'append it': ['追加', '追加する'] },
  // Full-Frame Attention
  key_set: FRAMES_SEEN,
  level_1: LEVEL,
  level_2: LEVEL,
  level_4: LEVEL,
  level_8: LEVEL,
  // ST-Layout Attention, FateZero, Flow-Guided Attention
  self_role: { ...FROM_MODE, ...SIDE },
  cross_role: { ...FROM_MODE, ...SIDE },
  role: SIDE,
  levels: {
    ...FROM_MODE,
    all: ['全部', 'すべて'],
    'below full resolution': ['低于全分辨率', '最高解像度より下'],
  },
  self_size: { ...SIZE, 'area / frames': ['面积 ÷ 帧数', '面積 ÷ フレーム数'] },
  cross_size: SIZE,
  token_rule: { ...FROM_MODE, ...AREA, nearest: ['最近像素', '最も近いピクセル'] },
  background: {
    ...FROM_MODE,
    'own region': ['自成区域', '1つの領域'],
    isolated: ['隔离', '切り離す'],
    untouched: ['不处理', '何もしない'],
    // Demo Clip
    grass: ['草地 grass', '草 grass'],
    snow: ['雪 snow', '雪 snow'],
    sand: ['沙地 sand', '砂 sand'],
    sea: ['海 sea', '海 sea'],
    night: ['夜晚 night', '夜 night'],
    brick: ['砖墙 brick', 'レンガ brick'],
    road: ['道路 road', '道路 road'],
    sunset: ['日落 sunset', '夕焼け sunset'],
  },
  // Latent Blend, Edit in Chunks
  noise: { fresh: ['每级新取', '毎回新しく'], fixed: ['固定', '固定'] },
  blend: { inversion: ['反演路径', '逆にたどった経路'], progressive: ['渐进边缘', '縮む縁'], ...OFF },
  // Demo Clip
  left: THINGS,
  right: THINGS,
  task: {
    instance: ['两个各变一物', '2つを別々のものに'],
    class: ['变成同一种', '両方を同じものに'],
    part: ['穿戴', '身に着ける'],
    background: ['换场景', '場所を変える'],
    object: ['只变左边', '左だけ変える'],
    swap: ['互换', '入れ替え'],
  },
  left_wears: {
    none: ['无', 'なし'],
    hat: ['帽子 hat', '帽子 hat'],
    crown: ['王冠 crown', '王冠 crown'],
    sunglasses: ['墨镜 sunglasses', 'サングラス sunglasses'],
    bow: ['蝴蝶结 bow', 'リボン bow'],
  },
  // Flow-Guided Attention, Inject Source Features
  queries: { 'of the layer': ['该层自身', 'その層のもの'], 'dense output': ['稠密输出', '密な出力'] },
  source_step: { 'same step': ['同一步', '同じステップ'], 'next step': ['下一步', '次のステップ'] },
  // FateZero
  preset: {
    style: ['风格', 'スタイル'],
    attribute: ['属性', '属性'],
    shape: ['形状', '形'],
    custom: ['自定义', 'カスタム'],
  },
  where: {
    everywhere: ['全部', '全体'],
    'outside regions': ['区域之外', '領域の外'],
    'outside words': ['词语之外', '語の外'],
  },
  source_pair: { exact: ['精确', '正確'], 'as released': ['按发布代码', '公開コードどおり'] },
  // Anchor Attention
  gather: { 'all anchors': ['所有锚帧', 'すべてのアンカー'], 'earlier anchors': ['更早的锚帧', '前のアンカー'] },
}

/** Texts of an input's values in the language of a locale such as “zh” or “ja-JP”, by value; null where the values stay. */
export function optionWords(locale, input) {
  const language = LANGUAGES.indexOf(String(locale).split('-')[0])
  const texts = OPTIONS[input]
  if (language < 0 || !texts) return null
  return Object.fromEntries(Object.entries(texts).map(([value, text]) => [value, text[language]]))
}
