// The titles and notes of our shipped workflows in other languages: English text → [Chinese, Japanese]. What reads the same in several
// workflows stands here once. tests/js/translate.test.mjs finds texts that no workflow has any more.

export const LANGUAGES = ['zh', 'ja'] // as the texts below stand

export const TEXTS = {
  '1 Clip': ['1 视频', '1 動画'],
  '2 Inversion': ['2 反演', '2 インバージョン'],
  '3 Regions': ['3 区域', '3 領域'],
  '4 Edit': ['4 编辑', '4 編集'],
  '5 Result': ['5 结果', '5 結果'],
  'Note': ['说明', 'メモ'],
  'Source prompt': ['源提示词', '元のプロンプト'],
  'Region Prompt (left)': ['区域提示词（左）', '領域プロンプト（左）'],
  'Region Prompt (right)': ['区域提示词（右）', '領域プロンプト（右）'],
  'Negative prompt': ['负面提示词', 'ネガティブプロンプト'],
  'KSampler (Advanced), edit': ['K采样器（高级），编辑', 'Kサンプラー（高度）、編集'],
  'Paste over the source': ['粘贴到源视频上', '元の動画に貼り付け'],
  'Edited clip': ['编辑后的视频', '編集後の動画'],
  'Source clip': ['源视频', '元の動画'],
  'Save the edit': ['保存编辑结果', '編集結果を保存'],
  'Save the source': ['保存源视频', '元の動画を保存'],
  '## What to edit\nThe demo clip comes with the exact mask of each object, and the demo model is tiny: nothing is downloaded, a CPU is enough.\n\n**Your own:** Load Checkpoint (any Stable Diffusion 1.5 UNet) instead of Load Demo Model; Load Video Frames instead of Demo Clip; masks from any segmentation pack, one per frame.': [
    '## 要编辑什么\n演示视频带有每个物体的准确遮罩，演示模型很小：什么都不用下载，用 CPU 就够了。\n\n**换成你自己的：** 用“Checkpoint加载器（简易）”（任意 Stable Diffusion 1.5 UNet）代替“加载演示模型”；用“加载视频帧”代替“演示视频”；遮罩可来自任何分割节点包，每帧一个。',
    '## 何を編集するか\nデモ動画には各物体の正確なマスクが付き、デモモデルはごく小さなものです。ダウンロードは不要で、CPU で足ります。\n\n**自分の素材で：** 「デモモデルを読み込む」の代わりに「チェックポイントを読み込む」（Stable Diffusion 1.5 の UNet ならどれでも）、「デモ動画」の代わりに「動画フレームを読み込む」、マスクは好きなセグメンテーションのノードから、フレームごとに 1 枚。',
  ],
  '## Which noise gives this clip back?\nDDIM Inversion walks the clip to noise along the model\'s own path. It needs words for the clip *as it is*. Full-Frame Attention lets every frame see all others and must stand before both the inversion and the sampler.': [
    '## 哪一份噪波能重新画出这段视频？\n“DDIM 反演”沿模型自身的路径把视频走回噪波。它需要描述视频*原样*的文字。“全帧注意力”让每一帧看到其他所有帧，必须同时放在反演和采样器之前。',
    '## どのノイズならこの動画に戻るか\n「DDIMインバージョン」は、モデル自身の経路に沿って動画をノイズまで戻します。動画の*今のまま*を述べる言葉が必要です。「全フレームアテンション」は各フレームにほかの全フレームを見せるもので、インバージョンとサンプラーの両方の前に置きます。',
  ],
  '## Which words belong where\nEach Region Prompt ties a mask to a phrase; chain as many as you need. Bind Region Prompts finds the phrases in the prompt of the whole edited clip, so they must stand there word for word.': [
    '## 哪些文字属于哪里\n每个“区域提示词”把一个遮罩和一个短语绑在一起；需要几个就串联几个。“绑定区域提示词”在描述整段编辑后视频的提示词中寻找这些短语，因此它们必须逐词出现在那里。',
    '## どの言葉がどこのものか\n「領域プロンプト」は 1 つごとにマスクと語句を結び付けます。必要な数だけつなげてください。「領域プロンプトの紐付け」は、編集後の動画全体のプロンプトから語句を探します。語句はそこに一語一語そのままなければなりません。',
  ],
  '## Draw it again with the new words\nST-Layout Attention keeps each phrase in its region, Latent Blend holds the rest to the source. The sampler starts from the *inversion\'s* noise, so **add_noise is disabled**; its steps and scheduler are those of the inversion.\n\nEdit too weak? Lower ST-Layout\'s power. New object cut off? Raise Latent Blend\'s grow. Colours burnt? Lower cfg.': [
    '## 用新的文字重新画\n“ST-Layout 注意力”让每个短语留在自己的区域，“Latent 混合”让其余部分保持为源视频。采样器从*反演的*噪波开始，因此**禁用添加噪波**；步数和调度器与反演一致。\n\n编辑太弱？降低 ST-Layout 的衰减指数。新物体被切掉？提高 Latent 混合的扩展。颜色过饱和？降低 cfg。',
    '## 新しい言葉で描き直す\n「ST-Layoutアテンション」は各語句をその領域にとどめ、「潜在ブレンド」は残りを元の動画に保ちます。サンプラーは*インバージョンの*ノイズから始めるので、**ノイズの追加は無効**です。ステップ数とスケジューラはインバージョンと同じにします。\n\n編集が弱い？ ST-Layout の減衰の指数を下げます。新しい物が切れる？ 潜在ブレンドの拡大を上げます。色が焼ける？ cfg を下げます。',
  ],
  '## Keep every background pixel\nThe VAE alone changes pixels a little everywhere. So the edit is pasted into the source\'s own frames: inside the regions and a soft edge around them. Farther out every pixel is the source\'s, whatever the clip\'s size.\n\nA third region? Chain its Region Prompt, and connect the last one here too. Is the new thing cut off? Raise *grow*.': [
    '## 保留背景的每一个像素\n仅仅经过 VAE 就会让各处的像素略有变化。所以编辑结果被粘贴到源视频自己的帧上：只在区域内，外加一圈柔和边缘。更远处的每个像素都是源视频的，无论视频多大。\n\n有第三个区域？串联它的“区域提示词”，并把最后一个也连接到这里。新物体被切掉？提高*扩展*。',
    '## 背景の画素をすべて残す\nVAE を通すだけで、どこの画素も少し変わります。そこで編集結果を元の動画のフレームに貼り付けます。領域の中と、その周りの柔らかい縁だけです。それより外の画素は、動画の大きさによらずすべて元のままです。\n\n3 つ目の領域？ その「領域プロンプト」をつなげ、最後のものをここにも接続します。新しい物が切れる？ *拡大*を上げます。',
  ],
}
