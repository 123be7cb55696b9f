"""The run of vit_2d.yaml as a file of Colossal-AI's first kind: ViT on CIFAR-10, 2D tensor parallelism on four ranks.

DATA=/data/cifar-10-batches-bin mpirun -np 4 ctrain --config configs/colossal/vit_2d.py
"""

import os
from pathlib import Path

BATCH_SIZE = 512
NUM_EPOCHS = 60

# the model
IMG_SIZE, PATCH_SIZE = 32, 4
DIM = 512
DEPTH = 6
NUM_ATTENTION_HEADS = 2
DROP_RATE = 0.1

# the data
root = Path(os.environ.get('DATA', './data'))
normalize = dict(type='Normalize', mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))

SUMMA_DIM = 2
parallel = dict(
    pipeline=dict(size=1),
    tensor=dict(size=SUMMA_DIM ** 2, mode='2d'),
)

train_data = dict(
    dataset=dict(
        type='CIFAR10Dataset',
        root=root,
        transform_pipeline=[
            dict(type='RandomCrop', size=IMG_SIZE, padding=4),
            dict(type='RandomHorizontalFlip'),
            dict(type='ToTensor'),
            normalize,
        ]),
    dataloader=dict(batch_size=BATCH_SIZE, drop_last=True, pin_memory=True, shuffle=True))

test_data = dict(
    dataset=dict(
        type='CIFAR10Dataset',
        root=root,
        train=False,
        transform_pipeline=[dict(type='ToTensor'), normalize]),
    dataloader=dict(batch_size=BATCH_SIZE, pin_memory=True))

norm_cfg = dict(type='LayerNorm2D', normalized_shape=DIM, eps=1e-6)
model = dict(
    type='VisionTransformerFromConfig',
    embed_dim=DIM,
    depth=DEPTH,
    drop_path_rate=0.,
    tensor_splitting_cfg=dict(type='ViTInputSplitter2D'),
    embedding_cfg=dict(type='ViTPatchEmbedding2D', img_size=IMG_SIZE, patch_size=PATCH_SIZE, embed_dim=DIM),
    token_fusion_cfg=dict(
        type='ViTTokenFuser2D', img_size=IMG_SIZE, patch_size=PATCH_SIZE, embed_dim=DIM, drop_rate=DROP_RATE),
    norm_cfg=norm_cfg,
    block_cfg=dict(
        type='ViTBlock',
        attention_cfg=dict(
            type='ViTSelfAttention2D',
            hidden_size=DIM,
            num_attention_heads=NUM_ATTENTION_HEADS,
            attention_dropout_prob=0.,
            hidden_dropout_prob=DROP_RATE),
        droppath_cfg=dict(type='VanillaViTDropPath'),
        mlp_cfg=dict(type='ViTMLP2D', in_features=DIM, mlp_ratio=4, dropout_prob=DROP_RATE),
        norm_cfg=norm_cfg),
    head_cfg=dict(type='ViTHead2D', hidden_size=DIM, num_classes=10))

loss = dict(type='CrossEntropyLoss2D')
optimizer = dict(type='Adam', lr=0.001, weight_decay=0)

hooks = [
    dict(type='LogMetricByEpochHook'),
    dict(type='Accuracy2DHook'),
    dict(type='LossHook'),
    dict(type='LRSchedulerHook', by_epoch=True, lr_scheduler_cfg=dict(type='LinearWarmupLR', warmup_steps=5)),
]
