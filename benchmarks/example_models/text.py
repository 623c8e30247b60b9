"""Text: classifiers of strings and of tokens, language models, translation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, LENGTH, SAMPLES, VOCABULARY, sentences, token_arrays, tokens


def vectorizer(texts: Any, **arguments: Any) -> layers.TextVectorization:
    layer = layers.TextVectorization(**{"max_tokens": 40, "output_sequence_length": LENGTH, **arguments})
    layer.adapt(texts)
    return layer


def vectorized_reviews() -> dict[str, Any]:
    """Strings that become numbers in the pipeline."""
    texts, labels = sentences()
    raw = tf.data.Dataset.from_tensor_slices((texts.astype(str), labels)).batch(BATCH)
    vectorize = vectorizer(texts.astype(str))
    ready = raw.map(lambda text, label: (vectorize(tf.expand_dims(text, -1)), label)).cache().prefetch(10)
    return {"x": ready.take(4), "validation_data": ready.skip(4)}


@example("examples/nlp/text_classification_from_scratch", vectorized_reviews, holds={"width": 8})
def review_classifier(hp):
    width, dropout = hp.choice("width", [8, 16]), hp.float("dropout", 0.2, 0.6)
    inputs = keras.Input((None,), dtype="int64")
    x = layers.Dropout(dropout)(layers.Embedding(40, width)(inputs))
    x = layers.Conv1D(width, 3, padding="valid", activation="relu", strides=2)(x)
    x = layers.Dropout(dropout)(layers.Dense(width, activation="relu")(layers.GlobalMaxPooling1D()(x)))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="predictions")(x))
    model.compile(loss="binary_crossentropy", optimizer=adam(hp), metrics=["accuracy"])
    return model


def raw_reviews() -> dict[str, Any]:
    texts, labels = sentences()
    return {"x": tf.constant(texts.astype(str)), "y": labels, "batch_size": BATCH}


@example("guides/preprocessing_layers_text", raw_reviews)
def strings_to_the_model(hp):
    """The layer that splits strings into words is a part of the model."""
    inputs = keras.Input((1,), dtype="string")
    x = vectorizer(sentences()[0].astype(str))(inputs)
    x = layers.GlobalAveragePooling1D()(layers.Embedding(40, 8)(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Dropout(hp.float("dropout", 0.1, 0.5))(x)))
    model.compile(adam(hp), "binary_crossentropy", metrics=["accuracy"])
    return model


def bigram_reviews() -> dict[str, Any]:
    texts, labels = sentences()
    raw = tf.data.Dataset.from_tensor_slices((texts.astype(str)[:, None], labels)).batch(BATCH)
    vectorize = vectorizer(
        texts.astype(str), max_tokens=60, ngrams=2, output_mode="multi_hot", output_sequence_length=None
    )
    return {"x": raw.map(lambda text, label: (vectorize(text), label), num_parallel_calls=2).prefetch(2)}


@example("examples/nlp/multi_label_classification", bigram_reviews)
def bag_of_bigrams(hp):
    model = keras.Sequential(
        [
            layers.Dense(16, activation="relu"),
            layers.Dropout(hp.float("dropout", 0.1, 0.5)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer=adam(hp), metrics=["binary_accuracy"])
    return model


@example("examples/nlp/bidirectional_lstm_imdb", token_arrays, holds={"units": 8})
def bidirectional_lstm(hp):
    units = hp.choice("units", [8, 16])
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 8)(inputs)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(units))(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(adam(hp), "binary_crossentropy", metrics=["accuracy"])
    return model


@example("guides/understanding_masking_and_padding", token_arrays)
def masked_gru(hp):
    """A mask out of an embedding, and dropout inside a recurrent layer."""
    model = keras.Sequential(
        [
            layers.Embedding(VOCABULARY, 8, mask_zero=True),
            layers.GRU(8, dropout=hp.float("dropout", 0.1, 0.4), recurrent_dropout=0.1),
            layers.Dense(1),
        ]
    )
    model.compile(adam(hp), keras.losses.BinaryCrossentropy(from_logits=True), metrics=["binary_accuracy"])
    return model


class TransformerBlock(layers.Layer):
    def __init__(self, width, heads, inner, rate=0.1):
        super().__init__()
        self.att = layers.MultiHeadAttention(num_heads=heads, key_dim=width)
        self.ffn = keras.Sequential([layers.Dense(inner, activation="relu"), layers.Dense(width)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs):
        out = self.layernorm1(inputs + self.dropout1(self.att(inputs, inputs)))
        return self.layernorm2(out + self.dropout2(self.ffn(out)))


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, width):
        super().__init__()
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=width)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=width)

    def call(self, x):
        positions = ops.arange(start=0, stop=ops.shape(x)[-1], step=1)
        return self.token_emb(x) + self.pos_emb(positions)


@example("examples/nlp/text_classification_with_transformer", token_arrays, holds={"heads": 2})
def transformer_classifier(hp):
    rate = hp.float("dropout", 0.05, 0.3)
    inputs = layers.Input((LENGTH,))
    x = TokenAndPositionEmbedding(LENGTH, VOCABULARY, 8)(inputs)
    x = layers.GlobalAveragePooling1D()(TransformerBlock(8, hp.int("heads", 1, 2), 16, rate)(x))
    x = layers.Dropout(rate)(layers.Dense(8, activation="relu")(layers.Dropout(rate)(x)))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.compile(optimizer=adam(hp), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Router(layers.Layer):
    """Sends each token to one of the experts, and adds a loss that keeps them equally busy."""

    def __init__(self, experts):
        super().__init__()
        self.experts = experts
        self.route = layers.Dense(experts)
        self.seed_generator = keras.random.SeedGenerator(11)

    def call(self, x, training=False):
        logits = self.route(x)
        if training:
            logits += keras.random.uniform(ops.shape(logits), 0.9, 1.1, seed=self.seed_generator)
        probabilities = ops.softmax(logits, axis=-1)
        chosen = ops.one_hot(ops.argmax(probabilities, axis=-1), self.experts)
        self.add_loss(ops.mean(ops.mean(chosen, 0) * ops.mean(probabilities, 0)) * self.experts**2 * 0.01)
        return chosen * ops.max(probabilities, axis=-1, keepdims=True)


class Switch(layers.Layer):
    def __init__(self, experts, width):
        super().__init__()
        self.experts = [keras.Sequential([layers.Dense(width, activation="relu")]) for _ in range(experts)]
        self.router = Router(experts)

    def call(self, x):
        shares = self.router(x)
        parts = [expert(x) * shares[..., place : place + 1] for place, expert in enumerate(self.experts)]
        return ops.sum(ops.stack(parts), axis=0)


@example("examples/nlp/text_classification_with_switch_transformer", token_arrays)
def switch_transformer(hp):
    inputs = layers.Input((LENGTH,))
    x = TokenAndPositionEmbedding(LENGTH, VOCABULARY, 8)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x + Switch(3, 8)(x)))
    x = layers.Dropout(hp.float("dropout", 0.1, 0.4))(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class FNetEncoder(layers.Layer):
    """Mixes tokens by a Fourier transform."""

    def __init__(self, width, inner, **kwargs):
        super().__init__(**kwargs)
        self.dense_proj = keras.Sequential([layers.Dense(inner, activation="relu"), layers.Dense(width)])
        self.layernorm_1 = layers.LayerNormalization()
        self.layernorm_2 = layers.LayerNormalization()

    def call(self, inputs):
        real, _ = ops.fft2((inputs, ops.zeros_like(inputs)))
        mixed = self.layernorm_1(inputs + real)
        return self.layernorm_2(mixed + self.dense_proj(mixed))


@example("examples/nlp/fnet_classification_with_keras_hub", token_arrays)
def fnet(hp):
    inputs = layers.Input((LENGTH,))
    x = FNetEncoder(8, 16)(TokenAndPositionEmbedding(LENGTH, VOCABULARY, 8)(inputs))
    x = layers.Dropout(hp.float("dropout", 0.1, 0.4))(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(adam(hp), "binary_crossentropy", metrics=["accuracy"])
    return model


def next_tokens() -> dict[str, Any]:
    """Sentences and the same ones a word later."""
    x, _ = tokens()
    data = tf.data.Dataset.from_tensor_slices(x).shuffle(buffer_size=SAMPLES, seed=1).batch(BATCH)

    def shifted(rows):
        return rows[:, :-1], rows[:, 1:]

    return {"x": data.map(shifted, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)}


def causal_mask(length):
    """Which places each place may look at: those before it; the first axis is for the batch."""
    places = ops.arange(length)
    return ops.expand_dims(places[:, None] >= places[None], 0)


class CausalBlock(TransformerBlock):
    def call(self, inputs):
        attended = self.att(inputs, inputs, attention_mask=causal_mask(ops.shape(inputs)[1]))
        out = self.layernorm1(inputs + self.dropout1(attended))
        return self.layernorm2(out + self.dropout2(self.ffn(out)))


class TextGenerator(keras.callbacks.Callback):
    """Writes a few words after each epoch by the model that is being trained."""

    def on_epoch_end(self, epoch, logs=None):
        row = [1, 2]
        for _ in range(3):
            padded = np.zeros((1, LENGTH - 1), "int32")
            padded[0, : len(row)] = row
            row.append(int(np.argmax(self.model.predict(padded, verbose=0)[0][0, len(row) - 1])))


@example("examples/generative/text_generation_with_miniature_gpt", next_tokens)
def miniature_gpt(hp):
    """Two outputs, of which only one has a loss."""
    inputs = layers.Input((LENGTH - 1,), dtype="int32")
    x = TokenAndPositionEmbedding(LENGTH - 1, VOCABULARY, 8)(inputs)
    x = CausalBlock(8, 2, 16, hp.float("dropout", 0.05, 0.3))(x)
    model = keras.Model(inputs, [layers.Dense(VOCABULARY)(x), x])
    model.compile(adam(hp), loss=[from_logits(), None])
    return model


@example("examples/generative/text_generation_gpt", lambda: {**next_tokens(), "callbacks": [TextGenerator()]})
def gpt_that_writes(hp):
    """The same with a callback that asks the model for text after every epoch."""
    return miniature_gpt(hp)


def sums() -> dict[str, Any]:
    """One-hot characters of sums, and of their results."""
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 10, (SAMPLES, 2))
    question = np.concatenate([digits[:, :1], np.full((SAMPLES, 1), 10), digits[:, 1:]], axis=1)
    result = np.stack([digits.sum(1) // 10, digits.sum(1) % 10], axis=1)
    x, y = np.eye(12, dtype="bool")[question], np.eye(12, dtype="bool")[result]
    return {"x": x, "y": y, "batch_size": BATCH, "validation_split": 0.1}


@example("examples/nlp/addition_rnn", sums, holds={"units": 16, "layers": 1})
def addition(hp):
    units = hp.choice("units", [16, 32])
    model = keras.Sequential([layers.Input((3, 12)), layers.LSTM(units), layers.RepeatVector(2)])
    for _ in range(hp.int("layers", 1, 2)):
        model.add(layers.LSTM(units, return_sequences=True))
    model.add(layers.Dense(12, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=adam(hp), metrics=["accuracy"])
    return model


def translation_arrays() -> dict[str, Any]:
    """One-hot sentences, and their reversed forms with a beginning and without."""
    x, _ = tokens()
    target = np.eye(VOCABULARY, dtype="float32")[x[:, ::-1]]
    before = np.concatenate([np.zeros_like(target[:, :1]), target[:, :-1]], axis=1)
    return {
        "x": [np.eye(VOCABULARY, dtype="float32")[x], before],
        "y": target,
        "batch_size": BATCH,
        "validation_split": 0.2,
    }


@example("examples/nlp/lstm_seq2seq", translation_arrays, holds={"units": 16})
def seq2seq_lstm(hp):
    units = hp.choice("units", [16, 32])
    encoder_inputs, decoder_inputs = keras.Input((None, VOCABULARY)), keras.Input((None, VOCABULARY))
    _, *states = layers.LSTM(units, return_state=True)(encoder_inputs)
    decoded, _, _ = layers.LSTM(units, return_sequences=True, return_state=True)(decoder_inputs, initial_state=states)
    outputs = layers.Dense(VOCABULARY, activation="softmax")(decoded)
    model = keras.Model([encoder_inputs, decoder_inputs], outputs)
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), "categorical_crossentropy", metrics=["accuracy"])
    return model


def translation_dicts() -> dict[str, Any]:
    x, _ = tokens()

    def formatted(source, target):
        return {"encoder_inputs": source, "decoder_inputs": target[:, :-1]}, target[:, 1:]

    pairs = tf.data.Dataset.from_tensor_slices((x, x[:, ::-1].copy())).batch(BATCH)
    return {"x": pairs.map(formatted).cache().shuffle(16, seed=1).prefetch(2)}


class PositionalEmbedding(layers.Layer):
    def __init__(self, length, vocabulary, width, **kwargs):
        super().__init__(**kwargs)
        self.token_embeddings = layers.Embedding(vocabulary, width)
        self.position_embeddings = layers.Embedding(length, width)

    def call(self, inputs):
        positions = ops.arange(0, ops.shape(inputs)[-1], 1)
        return self.token_embeddings(inputs) + self.position_embeddings(positions)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0)


class TransformerEncoder(layers.Layer):
    def __init__(self, width, heads, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(num_heads=heads, key_dim=width)
        self.dense_proj = keras.Sequential([layers.Dense(2 * width, activation="relu"), layers.Dense(width)])
        self.layernorm_1 = layers.LayerNormalization()
        self.layernorm_2 = layers.LayerNormalization()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        padding = None if mask is None else ops.cast(mask[:, None, :], dtype="int32")
        attended = self.attention(query=inputs, value=inputs, key=inputs, attention_mask=padding)
        out = self.layernorm_1(inputs + attended)
        return self.layernorm_2(out + self.dense_proj(out))


class TransformerDecoder(layers.Layer):
    def __init__(self, width, heads, **kwargs):
        super().__init__(**kwargs)
        self.attention_1 = layers.MultiHeadAttention(num_heads=heads, key_dim=width)
        self.attention_2 = layers.MultiHeadAttention(num_heads=heads, key_dim=width)
        self.dense_proj = keras.Sequential([layers.Dense(2 * width, activation="relu"), layers.Dense(width)])
        self.norms = [layers.LayerNormalization() for _ in range(3)]
        self.supports_masking = True

    def call(self, inputs, mask=None):
        inputs, encoded = inputs
        causal = causal_mask(ops.shape(inputs)[1])
        inputs_mask, encoded_mask = mask if mask is not None else (None, None)
        attended = self.attention_1(inputs, inputs, inputs, attention_mask=causal, query_mask=inputs_mask)
        out = self.norms[0](inputs + attended)
        attended = self.attention_2(out, encoded, encoded, query_mask=inputs_mask, key_mask=encoded_mask)
        out = self.norms[1](out + attended)
        return self.norms[2](out + self.dense_proj(out))


@example("examples/nlp/neural_machine_translation_with_transformer", translation_dicts)
def translator(hp):
    encoder_inputs = keras.Input((None,), dtype="int64", name="encoder_inputs")
    encoded = TransformerEncoder(8, 2)(PositionalEmbedding(LENGTH, VOCABULARY, 8)(encoder_inputs))
    decoder_inputs = keras.Input((None,), dtype="int64", name="decoder_inputs")
    x = TransformerDecoder(8, 2)([PositionalEmbedding(LENGTH, VOCABULARY, 8)(decoder_inputs), encoded])
    x = layers.Dropout(hp.float("dropout", 0.2, 0.6))(x)
    model = keras.Model([encoder_inputs, decoder_inputs], layers.Dense(VOCABULARY, activation="softmax")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), loss=loss, metrics=["accuracy"])
    return model


def hidden_words() -> dict[str, Any]:
    """Sentences with words hidden, the whole ones, and which words count."""
    x, _ = tokens()
    hidden = (np.random.default_rng(0).random(x.shape) < 0.15) & (x > 0)
    masked, weights = np.where(hidden, VOCABULARY, x), hidden.astype("float32")
    return {"x": tf.data.Dataset.from_tensor_slices((masked, x, weights)).shuffle(SAMPLES, seed=1).batch(BATCH)}


class MaskedLanguageModel(keras.Model):
    """Its loss and metric stand outside of it, as in the page; so does their reset."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.loss_fn(y, y_pred, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight):
        self.loss_tracker.update_state(self.loss_fn(y, y_pred, sample_weight), sample_weight=sample_weight)
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self):
        return [self.loss_tracker]


@example("examples/nlp/masked_language_modeling", hidden_words)
def masked_language_model(hp):
    inputs = layers.Input((LENGTH,), dtype="int64")
    x = TokenAndPositionEmbedding(LENGTH, VOCABULARY + 1, 8)(inputs)
    x = TransformerBlock(8, 2, 16, hp.float("dropout", 0.05, 0.3))(x)
    model = MaskedLanguageModel(inputs, layers.Dense(VOCABULARY + 1, activation="softmax")(x))
    model.loss_fn = keras.losses.SparseCategoricalCrossentropy(reduction=None)
    model.loss_tracker = keras.metrics.Mean(name="loss")
    model.compile(optimizer=adam(hp))
    return model


def tags() -> dict[str, Any]:
    """Sentences with a tag for each word, padded batch by batch."""
    x, _ = tokens()
    data = tf.data.Dataset.from_generator(
        lambda: ((row[row > 0], row[row > 0] % 4) for row in x),
        output_signature=(tf.TensorSpec((None,), "int32"), tf.TensorSpec((None,), "int32")),
    )
    return {"x": data.padded_batch(BATCH)}


class NonPaddingTokenLoss(keras.losses.Loss):
    def __init__(self, name="custom_ner_loss"):
        super().__init__(name=name)

    def call(self, y_true, y_pred):
        losses = keras.losses.SparseCategoricalCrossentropy(from_logits=False, reduction=None)(y_true, y_pred)
        mask = ops.cast(y_true > 0, dtype="float32")
        return ops.sum(losses * mask) / ops.sum(mask)


class NERModel(keras.Model):
    """A subclassed model of other layers, built at its first call."""

    def __init__(self, tags, rate):
        super().__init__()
        self.embedding_layer = TokenAndPositionEmbedding(LENGTH, VOCABULARY, 8)
        self.transformer_block = TransformerBlock(8, 2, 16, rate)
        self.dropout1 = layers.Dropout(rate)
        self.ff = layers.Dense(16, activation="relu")
        self.dropout2 = layers.Dropout(rate)
        self.ff_final = layers.Dense(tags, activation="softmax")

    def call(self, inputs, training=False):
        x = self.dropout1(self.transformer_block(self.embedding_layer(inputs)), training=training)
        return self.ff_final(self.dropout2(self.ff(x), training=training))


@example("examples/nlp/ner_transformers", tags)
def tagger(hp):
    model = NERModel(4, hp.float("dropout", 0.05, 0.3))
    model.compile(optimizer=adam(hp), loss=NonPaddingTokenLoss())
    return model


@example("examples/nlp/pretrained_word_embeddings", token_arrays)
def given_embeddings(hp):
    """An embedding from a matrix that isn't trained."""
    matrix = np.random.default_rng(0).normal(size=(VOCABULARY, 8)).astype("float32")
    embedding = layers.Embedding(VOCABULARY, 8, trainable=False)
    embedding.build((1,))
    embedding.set_weights([matrix])
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Conv1D(8, 3, activation="relu")(embedding(inputs))
    x = layers.Dropout(hp.float("dropout", 0.2, 0.6))(layers.GlobalMaxPooling1D()(x))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.RMSprop(learning_rate(hp)),
        metrics=["acc"],
    )
    return model


def sentence_pairs() -> dict[str, Any]:
    x, y = tokens()
    other = np.random.default_rng(0).permutation(SAMPLES)
    return {"x": PairBatches(x, x[other], (y == y[other]).astype("float32"), BATCH)}


class PairBatches(keras.utils.PyDataset):
    """Batches of two inputs, shuffled after each epoch by a generator of its own."""

    def __init__(self, left, right, labels, size, **kwargs):
        super().__init__(**kwargs)
        self.left, self.right, self.labels, self.size = left, right, labels, size
        self.rng = np.random.default_rng(0)
        self.order = np.arange(len(labels))

    def __len__(self):
        return len(self.labels) // self.size

    def __getitem__(self, index):
        rows = self.order[index * self.size : (index + 1) * self.size]
        return (self.left[rows], self.right[rows]), self.labels[rows]

    def on_epoch_end(self):
        self.rng.shuffle(self.order)


@example("examples/nlp/semantic_similarity_with_bert", sentence_pairs)
def sentence_similarity(hp):
    left, right = keras.Input((LENGTH,), dtype="int32"), keras.Input((LENGTH,), dtype="int32")
    embedding, encode = layers.Embedding(VOCABULARY, 8), layers.Bidirectional(layers.LSTM(8, return_sequences=True))
    x = layers.concatenate([encode(embedding(left)), encode(embedding(right))])
    pooled = layers.concatenate([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dropout(hp.float("dropout", 0.1, 0.5))(pooled)
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer=adam(hp), loss="binary_crossentropy", metrics=["acc"])
    return model
