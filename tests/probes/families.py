"""How a tiny model of every family is configured, and what evenhand must find in it."""

from __future__ import annotations

from typing import Any

from tests.probes.family import MASKED, SEQ2SEQ, Tiny

BLOCKS = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
GROUPED = {**BLOCKS, "num_key_value_heads": 2}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64, "pad_index": 0}
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 2,
}
T5 = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "decoder_start_token_id": 0,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}


def _decoders(settings: dict[str, Any], **configs: str) -> dict[str, Tiny]:
    return {name: Tiny(f"{config}Config", settings=settings) for name, config in configs.items()}


def _encoders(route: str, settings: dict[str, Any], **configs: str) -> dict[str, Tiny]:
    return {
        name: Tiny(f"{config}Config", MASKED, settings, route, "both") for name, config in configs.items()
    }


def _seq2seq(route: str, settings: dict[str, Any], scale: float = 8.0, **configs: str) -> dict[str, Tiny]:
    return {
        name: Tiny(f"{config}Config", SEQ2SEQ, settings, route, "both", scale)
        for name, config in configs.items()
    }


FAMILIES: dict[str, Tiny] = {
    # decoders through the interface
    **_decoders(
        GROUPED,
        llama="Llama",
        qwen2="Qwen2",
        phi3="Phi3",
        olmo="Olmo",
        olmo2="Olmo2",
        starcoder2="Starcoder2",
        stablelm="StableLm",
        cohere="Cohere",
        cohere2="Cohere2",
        granite="Granite",
        nemotron="Nemotron",
        smollm3="SmolLM3",
        arcee="Arcee",
        exaone4="Exaone4",
        apertus="Apertus",
    ),
    **_decoders(
        {**GROUPED, "head_dim": 8},
        qwen3="Qwen3",
        gemma="Gemma",
        glm="Glm",
        glm4="Glm4",
        helium="Helium",
        ernie45="Ernie4_5",
    ),
    **_decoders({**GROUPED, "head_dim": 8, "sliding_window": 4}, ministral="Ministral"),
    **_decoders({**GROUPED, "sliding_window": 4}, mistral="Mistral"),
    **_decoders(
        {**GROUPED, "head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 1}, gemma3="Gemma3Text"
    ),
    **_decoders({**GROUPED, "num_local_experts": 2, "num_experts_per_tok": 1}, mixtral="Mixtral"),
    **_decoders({**GROUPED, "num_experts": 2, "num_experts_per_tok": 1}, olmoe="Olmoe"),
    **_decoders({**GROUPED, "head_dim": 8, **EXPERTS}, qwen3moe="Qwen3Moe"),
    **_decoders(BLOCKS, gptneox="GPTNeoX", phi="Phi", persimmon="Persimmon", biogpt="BioGpt"),
    **_decoders(GPT, gpt2="GPT2", gptbigcode="GPTBigCode"),
    **_decoders({**GPT, "dff": 48}, ctrl="CTRL"),
    "opt": Tiny(
        "OPTConfig",
        settings={
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "max_position_embeddings": 64,
        },
    ),
    "deepseekv3": Tiny(
        "DeepseekV3Config",
        settings={
            **BLOCKS,
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4,
            "v_head_dim": 8,
            "n_routed_experts": 4,
            "n_group": 1,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
        },
    ),
    # soft cap and sinks: whole matrices, through the interface
    "gemma2": Tiny(
        "Gemma2Config",
        settings={**GROUPED, "head_dim": 8, "sliding_window": 4, "attn_logit_softcapping": 2.0},
    ),
    "gptoss": Tiny(
        "GptOssConfig",
        settings={
            **GROUPED,
            "head_dim": 8,
            "sliding_window": 4,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
        },
    ),
    # hybrids: their full-attention layers only
    "qwen3next": Tiny(
        "Qwen3NextConfig",
        settings={
            **GROUPED,
            **EXPERTS,
            "num_hidden_layers": 4,
            "head_dim": 8,
            "linear_num_value_heads": 2,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "shared_expert_intermediate_size": 16,
        },
    ),
    "lfm2": Tiny(
        "Lfm2Config",
        settings={**GROUPED, "num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},
    ),
    # decoders at the softmax
    "bloom": Tiny("BloomConfig", settings={"hidden_size": 32, "n_layer": 2, "n_head": 4}, route="softmax"),
    "mpt": Tiny(
        "MptConfig",
        settings={"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64},
        route="softmax",
    ),
    "falcon": Tiny(
        "FalconConfig",
        settings={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
        route="softmax",
    ),
    "gptj": Tiny("GPTJConfig", settings={**GPT, "rotary_dim": 4}, route="softmax"),
    "codegen": Tiny("CodeGenConfig", settings={**GPT, "rotary_dim": 4}, route="softmax"),
    "gptneo": Tiny(
        "GPTNeoConfig",
        settings={
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 4,
            "max_position_embeddings": 64,
        },
        route="softmax",
    ),
    "openai-gpt": Tiny("OpenAIGPTConfig", settings=GPT, route="softmax"),
    "xglm": Tiny(
        "XGLMConfig",
        settings={
            "d_model": 32,
            "num_layers": 2,
            "attention_heads": 4,
            "ffn_dim": 48,
            "max_position_embeddings": 64,
        },
        route="softmax",
    ),
    "gptneox-japanese": Tiny(
        "GPTNeoXJapaneseConfig",
        settings={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
        },
        route="softmax",
    ),
    # encoders through the interface
    **_encoders(
        "interface",
        BLOCKS,
        bert="Bert",
        roberta="Roberta",
        xlmr="XLMRoberta",
        xlmrxl="XLMRobertaXL",
        camembert="Camembert",
        electra="Electra",
        modernbert="ModernBert",
        eurobert="EuroBert",
        nomicbert="NomicBert",
        data2vec="Data2VecText",
        ernie="Ernie",
        rocbert="RoCBert",
        esm="Esm",
        roberta_prelayernorm="RobertaPreLayerNorm",
    ),
    **_encoders("interface", {**BLOCKS, "embedding_size": 16}, albert="Albert"),
    "mobilebert": Tiny(
        "MobileBertConfig",
        MASKED,
        {**BLOCKS, "embedding_size": 16, "intra_bottleneck_size": 24, "num_feedforward_networks": 1},
        looks="both",
        scale=12.0,
    ),
    **_encoders(
        "interface",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 64},
        distilbert="DistilBert",
    ),
    # encoders at the softmax
    **_encoders(
        "softmax",
        BLOCKS,
        deberta="Deberta",
        mpnet="MPNet",
        rembert="RemBert",
        megatronbert="MegatronBert",
        ibert="IBert",
        convbert="ConvBert",
    ),
    **_encoders(
        "softmax",
        {**BLOCKS, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 16},
        debertav2="DebertaV2",
    ),
    **_encoders("softmax", {**BLOCKS, "attention_type": "original_full"}, bigbird="BigBird"),
    **_encoders("softmax", XLM, xlm="XLM", flaubert="Flaubert"),
    "roformer": Tiny("RoFormerConfig", MASKED, BLOCKS, "softmax", "both", 4.0),
    "funnel": Tiny(
        "FunnelConfig",
        MASKED,
        {"d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48, "block_sizes": [1, 1]},
        "softmax",
        "both",
        scale=2.0,
    ),
    "xlnet": Tiny(
        "XLNetConfig",
        settings={"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
        route="softmax",
        looks="both",
    ),
    # encoder–decoders
    # T5 is not scaled by the square root of the head's width, and starts from large weights
    **_seq2seq("interface", T5, 1.0, t5="T5", mt5="MT5", umt5="UMT5"),
    **_seq2seq(
        "interface",
        {**T5, "num_experts": 2, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1},
        1.0,
        switch="SwitchTransformers",
    ),
    **_seq2seq(
        "interface",
        BART,
        bart="Bart",
        marian="Marian",
        mbart="MBart",
        pegasus="Pegasus",
        m2m100="M2M100",
        blenderbot="Blenderbot",
        blenderbot_small="BlenderbotSmall",
        plbart="PLBart",
    ),
    **_seq2seq("softmax", BART, mvp="Mvp"),
    **_seq2seq("softmax", {**BART, "attention_type": "original_full"}, bigbird_pegasus="BigBirdPegasus"),
}
