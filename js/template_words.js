// The titles and notes of our shipped workflows in other languages: English text → [Chinese, Japanese]. What reads the same in several
// workflows stands here once. tests/js/translate.test.mjs finds texts that are missing, and texts that no workflow has any more.

export const LANGUAGES = ['zh', 'ja'] // as the texts below stand

export const TEXTS = {
  // groups
  '1 Clip': ['1 视频', '1 動画'],
  '1 Clip and masks': ['1 视频和遮罩', '1 動画とマスク'],
  '2 Any generator': ['2 任意生成模型', '2 好きな生成モデル'],
  '2 Inversion': ['2 反演', '2 インバージョン'],
  '2 Regions': ['2 区域', '2 領域'],
  '3 Clusters': ['3 聚类', '3 クラスター'],
  '3 Drawings': ['3 单独画出', '3 単独の絵'],
  '3 Edit in chunks': ['3 分块编辑', '3 分割して編集'],
  '3 Regions': ['3 区域', '3 領域'],
  '3 Result': ['3 结果', '3 結果'],
  '4 Edit': ['4 编辑', '4 編集'],
  '4 One picture': ['4 融为一体', '4 1枚の絵に'],
  '4 Regions': ['4 区域', '4 領域'],
  '4 Result': ['4 结果', '4 結果'],
  '5 Edit': ['5 编辑', '5 編集'],
  '5 Result': ['5 结果', '5 結果'],
  '6 Result': ['6 结果', '6 結果'],
  // titles of several workflows
  'Note': ['说明', 'メモ'],
  'Source prompt': ['源提示词', '元のプロンプト'],
  'Region Prompt (left)': ['区域提示词（左）', '領域プロンプト（左）'],
  'Region Prompt (right)': ['区域提示词（右）', '領域プロンプト（右）'],
  'Negative prompt': ['负面提示词', 'ネガティブプロンプト'],
  'KSampler (Advanced), edit': ['K采样器（高级），编辑', 'Kサンプラー（高度）、編集'],
  'Paste over the source': ['粘贴到源视频上', '元の動画に貼り付け'],
  'Edited clip': ['编辑后的视频', '編集後の動画'],
  'Save the edit': ['保存编辑结果', '編集結果を保存'],
  'Before and after': ['编辑前后对比', '編集前後の比較'],
  'Save before and after': ['保存编辑前后对比', '編集前後の比較を保存'],
  // other titles
  'Drawn': ['画出的物体', '描いた物体'],
  'Laid in': ['放入之后', '置いたところ'],
  'Source clip': ['源视频', '元の動画'],
  'Save the source': ['保存源视频', '元の動画を保存'],
  'Start here': ['从这里开始', 'ここから始める'],
  'Your clip': ['你的视频', '自分の動画'],
  'Regions: what becomes what': ['区域：什么变成什么', '領域：何を何に変えるか'],
  'Load SAM3': ['加载 SAM3', 'SAM3を読み込む'],
  'Name (first)': ['名称（第一个）', '名前（1つ目）'],
  'Name (second)': ['名称（第二个）', '名前（2つ目）'],
  'Follow the first one': ['跟踪第一个', '1つ目を追跡'],
  'Follow the second one': ['跟踪第二个', '2つ目を追跡'],
  'Steps': ['步数', 'ステップ'],
  'Names': ['名称', '名前'],
  'Clusters': ['聚类', 'クラスター'],
  'Clusters to Mask (left)': ['聚类转遮罩（左）', 'クラスターをマスクに変換（左）'],
  'Clusters to Mask (right)': ['聚类转遮罩（右）', 'クラスターをマスクに変換（右）'],
  'Report': ['报告', 'レポート'],
  'Prompt': ['提示词', 'プロンプト'],
  'Measures': ['评估指标', '評価の指標'],
  // the node that holds the recipe: its name, and what it is for
  'Edit regions of a video': ['编辑视频中的区域', '動画の領域を編集'],
  'Inverts a clip, draws each region again with its own words, and pastes the result over the source (VideoGrain).': [
    '反演一段视频，用各自的文字重新画每个区域，再把结果粘贴到源视频上（VideoGrain）。',
    '動画をインバージョンし、各領域をそれぞれの言葉で描き直し、結果を元の動画に貼り付けます（VideoGrain）。',
  ],
  // notes
  '1. **Your clip**: *choose file to upload*. 16 frames of 512×512 at 8 a second are two seconds.\n2. **Regions**: in each row write what a thing *is* and what it *becomes*, and draw a box around it.\n3. **Run.** Look at the masks in *Regions*: a box in another frame helps where they are wrong.\n\nChange a word and run again: only the first run inverts the clip. Things look like stickers? Lower *strength*. Another result: another *seed*, and more *variation*.\n\nWeights: `v1-5-pruned-emaonly-fp16.safetensors` or any Stable Diffusion 1.5 checkpoint. Nobody has run this on a GPU yet.\n': [
    '1. **你的视频**：*选择要上传的文件*。每秒 8 帧，16 帧 512×512 的画面就是两秒。\n2. **区域**：在每一行写出物体*原来是*什么、*变成*什么，并画框圈住它。\n3. **运行。** 看一看“区域”里的遮罩：哪里不对，就在另一帧上再画一个框。\n\n改一个词，再运行一次：只有第一次运行需要反演视频。物体像贴纸？降低*强度*。想换一种结果？换一个*种子*，并加大*变化量*。\n\n权重：`v1-5-pruned-emaonly-fp16.safetensors`，或任意 Stable Diffusion 1.5 的 Checkpoint。还没有人在 GPU 上运行过这个工作流。\n',
    '1. **自分の動画**：*アップロードするファイルを選択*。512×512 が毎秒 8 枚、16 フレームで 2 秒です。\n2. **領域**：行ごとに*今は*何か、*変更後*は何かを書き、枠で囲みます。\n3. **実行する。** 「領域」でマスクを見ます。違うところは、別のフレームにも枠を描きます。\n\n言葉を変えてもう一度。インバージョンは最初の実行だけです。シールのように見える？ *強度*を下げます。別の結果は、別の*シード*と大きめの*変化量*で。\n\n重み：`v1-5-pruned-emaonly-fp16.safetensors`、または Stable Diffusion 1.5 のどのチェックポイントでも。GPU で動かした人はまだいません。\n',
  ],
  '## What to edit\nA cat and a dog on grass, with a mask for each.': [
    '## 要编辑什么\n草地上的一只猫和一只狗，各有一个遮罩。',
    '## 何を編集するか\n草の上の猫と犬。それぞれにマスクがあります。',
  ],
  '## What each becomes\nOne Region Prompt for each thing: its mask and its new words. Masks by *Regions*, *Track Regions* or SAM 3 do as well.': [
    '## 各自变成什么\n每个物体一个“区域提示词”：它的遮罩和新的词语。*Regions*、*Track Regions* 或 SAM 3 的遮罩也可以。',
    '## それぞれが何になるか\n物体ごとに「領域プロンプト」を1つ：マスクと新しい語句。*Regions*、*Track Regions*、SAM 3 のマスクでもかまいません。',
  ],
  '## Drawn alone, laid along\nSeed Regions draws three pictures of each phrase, takes the clearest, cuts it out and lays it where the old thing was: it moves, grows and bends with it. Look at *Drawn*: another `seed` draws others; a picture of your own may take the place of each.': [
    '## 单独画出，放到原处\n“播种区域”给每个短语画三张图，取最清楚的一张，抠出来放到旧物体的位置：它随旧物体移动、变大、弯曲。看 *画出的物体*：换一个 `seed` 会画出别的；也可以用你自己的图片代替。',
    '## 単独で描き、元の場所に置く\n「領域に種をまく」は語句ごとに絵を3枚描き、いちばんはっきりした1枚を切り抜いて、元の物体のあった所に置きます。元の物体と同じように動き、大きくなり、曲がります。*描いた物体* を見てください。`seed` を変えると別の絵になり、自分の画像で代えることもできます。',
  ],
  '## Stock nodes, no inversion\nThe last quarter of the noise, under the same noise for every frame and inside the mask only: light, edges and small faults are mended, and the thing stays where it was laid. More *denoise* changes more, and flickers more. Steady Edit then takes out what flickers, along the motion of the old things.': [
    '## 核心节点，不需要反演\n只走噪波的最后四分之一，每帧用同一噪波，只在遮罩内：光线、边缘和小毛病得到修补，物体留在原处。*denoise* 越高，变化越大，闪烁也越多。然后“稳定编辑”沿着原来物体的运动去除闪烁。',
    '## 標準ノード、インバージョンなし\nノイズの最後の4分の1だけを、全フレーム同じノイズで、マスクの中だけで進めます。光、縁、小さな傷が直り、物体は置いた所にとどまります。*denoise* を上げると変化もちらつきも増えます。そのあと「編集を安定させる」が、元の物の動きに沿ってちらつきを取ります。',
  ],
  '## Everything else is the source\nThe edit replaces the clip inside the mask and its soft edge; every pixel outside is the source\'s.': [
    '## 其余都是源视频\n编辑结果只在遮罩及其柔和边缘内代替视频；外面的每个像素都是源视频的。',
    '## ほかはすべて元のまま\nマスクとその柔らかい縁の中だけが編集に置き換わります。外のピクセルはすべて元の動画のものです。',
  ],
  '## The whole recipe\nInversion, regions, ST-Layout, blend, sampler, paste. *Steps* feeds the inversion and the sampler, which must agree. Full-Frame Attention stands before both. Vary Noise gives the seed something to do: with *variation* 0 every seed gives the same.': [
    '## 完整的流程\n反演、区域、ST-Layout、混合、采样器、粘贴。“步数”同时供给反演和采样器，两者必须一致。“全帧注意力”要放在两者之前。“变化噪波”让种子起作用：*变化量*为 0 时，换什么种子结果都一样。',
    '## 手順のすべて\nインバージョン、領域、ST-Layout、ブレンド、サンプラー、貼り付け。「ステップ」はインバージョンとサンプラーの両方につながり、両者の値をそろえます。「全フレームアテンション」は両方の前に置きます。シードが効くのは「ノイズに変化」があるからです。*変化量*が 0 なら、どのシードでも結果は同じです。',
  ],
  '**Press Run.** The wolf becomes a panda, the pig a robot; all else stays. On a CPU it takes some minutes.\n\n**Your turn:** in *Regions*, choose a row, draw a box around its thing, write what it *is* and what it *becomes*. Run again: the clip is not inverted again.\n\nThe demo model draws emoji only. For a film of your own open *1 Start here (Stable Diffusion 1.5)*.\n': [
    '**按“运行”。** 狼变成熊猫，猪变成机器人，其余一切不变。用 CPU 要几分钟。\n\n**轮到你了：** 在“区域”中选一行，画框圈住这一行的物体，写出它*原来是*什么、*变成*什么。然后再运行：视频不会重新反演。\n\n演示模型只会画表情符号。要编辑自己的影片，请打开 *1 Start here (Stable Diffusion 1.5)*。\n',
    '**「実行する」を押します。** オオカミはパンダに、ブタはロボットに変わり、ほかはすべてそのままです。CPU では数分かかります。\n\n**次はあなたの番：** 「領域」で行を選び、その物を枠で囲み、*今は*何か、*変更後*は何かを書きます。もう一度実行します。インバージョンはやり直しません。\n\nデモモデルが描けるのは絵文字だけです。自分の動画を編集するには *1 Start here (Stable Diffusion 1.5)* を開いてください。\n',
  ],
  'As *1 Start here*, but SAM 3 finds each thing by its name and follows it: no marks. Write the names twice, in *Regions* and in *Name*. In a row with a link, marks do not count.\n\nWeights: `v1-5-pruned-emaonly-fp16.safetensors` and `sam3.1_multiplex_fp16.safetensors`, both in *models/checkpoints*. Needs ComfyUI 0.20 or newer.\n\nNothing found? Lower *detection_threshold*. *max_objects* 1 takes the best match.\n': [
    '与 *1 Start here* 相同，但由 SAM 3 按名称找到每个物体并跟踪它，不用做标记。名称要写在两处：“区域”和“名称”。有连接的行不使用标记。\n\n权重：`v1-5-pruned-emaonly-fp16.safetensors` 和 `sam3.1_multiplex_fp16.safetensors`，都放在 *models/checkpoints* 里。需要 ComfyUI 0.20 或更新的版本。\n\n什么都没找到？降低*检测阈值*。*最大对象数*为 1 时，只取最匹配的一个。\n',
    '*1 Start here* と同じですが、SAM 3 が名前から物を見つけて追跡します。印は要りません。名前は「領域」と「名前」の両方に書きます。接続のある行では、印は使われません。\n\n重み：`v1-5-pruned-emaonly-fp16.safetensors` と `sam3.1_multiplex_fp16.safetensors`。どちらも *models/checkpoints* に置きます。ComfyUI 0.20 以降が必要です。\n\n見つからない？ *detection_threshold* を下げます。*max_objects* が 1 なら、最もよく合うものを 1 つ選びます。\n',
  ],
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
  '## A clip, and no masks\nDemo Clip\'s masks are left unconnected here: the model itself has to tell the wolf from the pig.': [
    '## 有视频，没有遮罩\n这里没有连接“演示视频”的遮罩：要由模型自己分清狼和猪。',
    '## 動画だけ、マスクなし\nここでは「デモ動画」のマスクをつないでいません。オオカミとブタは、モデルが自分で見分けます。',
  ],
  '## Which noise gives this clip back?\nAs in *3 Step by step*. The INVERSION also serves the next group, which looks at the source again.': [
    '## 哪一份噪波能重新画出这段视频？\n与 *3 Step by step* 相同。“反演”输出也供下一组使用，那里会再看一遍源视频。',
    '## どのノイズならこの動画に戻るか\n*3 Step by step* と同じです。出力「インバージョン」は次のグループでも使い、そこで元の動画をもう一度見ます。',
  ],
  '## What the model sees as one thing\nK-Means groups the pixels whose self-attention looks at the same places. The picture shows the clusters, the text their share of the clip and their names: the words of the source prompt that look at them most.\n\nClusters to Mask takes names or numbers, as in “wolf” or “0, 3”; after a run, click them in its picture. **Your own clip:** begin with a few more *clusters* than there are things, look, and join those that belong together. A still camera likes *scope* “whole clip”.': [
    '## 模型把什么看作同一个物体\nK-Means 把自注意力看向相同位置的像素归为一类。图片显示各个聚类，文字列出它们占视频的比例和它们的名称：源提示词中最关注它们的词。\n\n“聚类转遮罩”接受名称或编号，例如“wolf”或“0, 3”；运行之后，可以在它的图片上单击选择。**你自己的视频：** 先让*聚类数*比物体多几个，看一看，再把属于同一物体的合在一起。镜头不动时，*范围*适合用“整段视频”。',
    '## モデルがひとつの物と見るもの\nK-Means は、自己アテンションが同じ場所を見ている画素をまとめます。画像はクラスターを、文字は動画に占める割合と名前を示します。名前は、元のプロンプトの中でそのクラスターを最もよく見ている単語です。\n\n「クラスターをマスクに変換」には、「wolf」や「0, 3」のように名前か番号を書きます。実行後は、その画像をクリックして選べます。**自分の動画：** まず*クラスター数*を物の数より少し多くし、画像を見て、同じ物に属するものを合わせます。カメラが動かない動画では、*範囲*は「クリップ全体」が向いています。',
  ],
  '## Which words belong where\nThe same chain as with masks of your own: a cluster\'s mask, and what stands there after the edit.': [
    '## 哪些文字属于哪里\n串联方式与使用自己的遮罩时一样：一个聚类的遮罩，加上编辑之后那里是什么。',
    '## どの言葉がどこのものか\nつなぎ方は自分のマスクを使うときと同じです。クラスターのマスクと、編集後にそこにあるものを組にします。',
  ],
  '## Draw it again with the new words\nAs in *3 Step by step*. Clusters are as coarse as the attention\'s grid, so raise Latent Blend\'s *grow* if a thing is cut off.': [
    '## 用新的文字重新画\n与 *3 Step by step* 相同。聚类和注意力的网格一样粗，所以物体被切掉时，请提高“Latent 混合”的*扩展*。',
    '## 新しい言葉で描き直す\n*3 Step by step* と同じです。クラスターはアテンションの格子と同じだけ粗いので、物が切れるときは「潜在ブレンド」の*拡大*を上げます。',
  ],
  '## Keep every background pixel\nThe edit is pasted into the source\'s own frames, inside the two regions and a soft edge around them.': [
    '## 保留背景的每一个像素\n编辑结果被粘贴到源视频自己的帧上：只在两个区域内，外加一圈柔和边缘。',
    '## 背景の画素をすべて残す\n編集結果は元の動画のフレームに貼り付けます。2 つの領域の中と、その周りの柔らかい縁だけです。',
  ],
  '## A clip as long as you like\nTwice as many frames as in *3 Step by step*, and never more than eleven of them in the model at once. With 600 it would be the same, and only take longer; but ComfyUI holds every IMAGE of the graph whole. At 512×512, 600 frames are 1.9 GB, and this graph has seven such clips: leave *Before/After Video* out if that is too much.': [
    '## 视频想多长就多长\n帧数是 *3 Step by step* 的两倍，而模型里同时最多只有十一帧。600 帧也一样，只是要更久；不过 ComfyUI 会把工作流中的每一份图像完整地留在内存里。512×512 的 600 帧是 1.9 GB，这个工作流里有七份这样的视频：内存不够时，请去掉“编辑前后对比视频”。',
    '## 好きなだけ長い動画\nフレーム数は *3 Step by step* の 2 倍ですが、モデルに同時に入るのは 11 フレームまでです。600 フレームでも同じで、時間が延びるだけです。ただし ComfyUI は、ワークフローの中の画像をすべて丸ごとメモリに持ちます。512×512 の 600 フレームは 1.9 GB で、このワークフローにはそのような動画が 7 本あります。多すぎるなら「編集前後の比較動画」を外してください。',
  ],
  '## Words and masks of the whole clip\nAs in *3 Step by step*: one mask per frame of the *whole* clip. Each chunk gets its own.': [
    '## 整段视频的文字和遮罩\n与 *3 Step by step* 相同：*整段*视频的每一帧各有一个遮罩。每一块只取自己的那部分。',
    '## 動画全体の言葉とマスク\n*3 Step by step* と同じで、動画*全体*のフレームごとにマスクが 1 枚要ります。区切りごとに、その分が渡されます。',
  ],
  '## Some frames at a time\nEdit in Chunks stands for VAE Encode, DDIM Inversion, Latent Blend, the sampler and VAE Decode. It takes *chunk_length* frames at a time, and with each chunk the same *anchors*: frames of the clip that all others look at. So the bear is the same bear from the first chunk to the last, and a frame comes out the same in any chunk: *overlap* can be 0.\n\nThere is no Full-Frame Attention here, and no Latent Blend: the anchors do for the one, *blend* for the other.\n\nFinished chunks are kept on disk. Press Run again after a crash, and only those that are wanting are made.\n\nVIA\'s blend is “progressive”, whose edge begins eight cells wide: a third of a picture as small as this one, so here it is “inversion”. Ten steps will do for the demo model.': [
    '## 每次只处理一些帧\n“分块编辑”代替 VAE编码、DDIM 反演、Latent 混合、采样器和 VAE解码。它每次处理*块长度*那么多帧，并给每一块加上同样的*锚帧*：视频中供其他所有帧参考的帧。所以从第一块到最后一块，熊都是同一只熊；同一帧放在哪一块里，结果都一样：*重叠*可以为 0。\n\n这里没有“全帧注意力”，也没有“Latent 混合”：前者由锚帧代替，后者由*混合*代替。\n\n完成的块保存在磁盘上。崩溃之后再按“运行”，只会补做缺少的块。\n\nVIA 的混合方式是“渐进边缘”，它的边缘一开始有八格宽：对这么小的画面来说，就是三分之一，所以这里用“反演路径”。演示模型用十步就够了。',
    '## 数フレームずつ\n「分割して編集」は、VAEエンコード、DDIMインバージョン、潜在ブレンド、サンプラー、VAEデコードの代わりをします。一度に*区切りの長さ*のフレームを処理し、どの区切りにも同じ*アンカー*を加えます。ほかの全フレームが見る、動画の中のフレームです。だから最初の区切りから最後の区切りまで同じクマになり、同じフレームはどの区切りでも同じ結果になります。*重なり*は 0 でかまいません。\n\nここには「全フレームアテンション」も「潜在ブレンド」もありません。前者の役はアンカーが、後者の役は*ブレンド*が果たします。\n\n終わった区切りはディスクに残ります。途中で落ちても、もう一度「実行する」を押せば、足りない分だけを作ります。\n\nVIA のブレンドは「縮む縁」で、縁は 8 マスの幅から始まります。これほど小さな画像ではその 3 分の 1 にもなるので、ここでは「逆にたどった経路」です。デモモデルなら 10 ステップで足ります。',
  ],
  '## Mark once, get a mask for each thing\nA box around each of two things in *Points to Region*; *Split Instances* gives each its own mask, in every frame. `instance_1` is the left one.': [
    '## 标记一次，每个物体得到一个遮罩\n在“点转区域”中，给两个物体各画一个框；“拆分实例”在每一帧给它们各一个遮罩。`实例 1` 是左边的那个。',
    '## 一度の印で、物ごとにマスク\n「点から領域」で、2 つの物をそれぞれ枠で囲みます。「インスタンスに分割」が、どのフレームでも物ごとに別のマスクを作ります。`インスタンス1` が左の物です。',
  ],
  '## Put yours here\nThese are ComfyUI\'s own nodes, in place of whatever takes a clip and a mask and gives frames: Wan VACE, an inpainting model, a node that calls an API. Delete this group, connect yours to `frames` and `instance_1`, and its frames to *Paste Edit* and *Evaluate Edit*. It need not keep the rest of the picture, nor its size.': [
    '## 把你的放在这里\n这里是 ComfyUI 自带的节点，代表任何接收视频和遮罩、输出帧的东西：Wan VACE、局部重绘模型、调用 API 的节点。删除这一组，把你的节点接到 `帧` 和 `实例 1`，再把它输出的帧接到“粘贴编辑”和“评估编辑结果”。它不必保留画面的其余部分，也不必保持画面的尺寸。',
    '## ここに自分のものを\nここにあるのは ComfyUI の標準ノードです。動画とマスクを受け取ってフレームを返すものなら、何にでも置き換えられます。Wan VACE、インペイントのモデル、API を呼ぶノードなどです。このグループを削除し、自分のノードを `フレーム` と `インスタンス1` につなぎ、そのフレームを「編集を貼り付け」と「編集結果を評価」につなぎます。画像のほかの部分も、サイズも、元のままでなくてかまいません。',
  ],
  '## Keep the rest, look, measure\n*Paste Edit* keeps every pixel beyond the mask\'s soft edge. *Evaluate Edit*\'s table says how well the background is kept and how steady the edit is; with a CLIP Vision model also whether it shows the words.': [
    '## 保留其余、查看、测量\n“粘贴编辑”保留遮罩柔和边缘以外的每一个像素。“评估编辑结果”的表格说明背景保留得多好、编辑有多稳定；接上 CLIP 视觉模型后，还会说明画面是否符合文字。',
    '## 残りを保ち、見て、測る\n「編集を貼り付け」は、マスクの柔らかい縁より外の画素をすべて残します。「編集結果を評価」の表は、背景がどれだけ保たれ、編集がどれだけ安定しているかを示します。CLIPビジョンのモデルをつなぐと、言葉どおりに描けているかも示します。',
  ],
}

/** Names of that node's sockets and widgets, as the nodes inside it call them. CLIP, VAE and cfg read the same in all languages. */
export const SLOTS = {
  'model': ['模型', 'モデル'],
  'frames': ['帧', 'フレーム'],
  'regions': ['区域', '領域'],
  'source_prompt': ['源提示词', '元のプロンプト'],
  'edited_prompt': ['编辑后的提示词', '編集後のプロンプト'],
  'steps': ['步数', 'ステップ'],
  'variation': ['变化量', '変化量'],
  'seed': ['种子', 'シード'],
  'strength': ['强度', '強度'],
}
