"""tokenizer - train the byte-level BPE of muai-tiny on its corpus.

    python3 tokenizer.py --out FOLDER       writes tokenizer.json and tokenizer_config.json
"""
import argparse
import json
import os

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus

N_VOCAB = 4096  # a multiple of 32, so that rows of the embedding are whole q8 blocks
N_DOCUMENTS = 60000
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role in ['system', 'developer'] %}System: {% elif m.role == 'user' %}User: "
    "{% elif m.role == 'assistant' %}Assistant: {% else %}Tool: {% endif %}{{ m.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}")


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=N_VOCAB, special_tokens=[corpus.END], show_progress=False, min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(corpus.draw(corpus.SEED_TRAIN, 0, N_DOCUMENTS), trainer)
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    tokenizer = train()
    tokenizer.save(os.path.join(args.out, "tokenizer.json"))
    with open(os.path.join(args.out, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False,
                   "bos_token": corpus.END, "eos_token": corpus.END, "unk_token": corpus.END,
                   "model_max_length": 512, "chat_template": CHAT_TEMPLATE}, f, indent=1)
        f.write("\n")
    print("entries", tokenizer.get_vocab_size())


if __name__ == "__main__":
    main()
