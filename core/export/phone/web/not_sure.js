// Whether a picture is unlike the training pictures, and which classes it may be: core/novelty/nearest_mean.py in JavaScript.

const ROUNDING = 1e-12;
const APART = 0.01; // of a distance: browsers decode a JPEG with small differences
const NAMED = 3; // classes of a set

class KnownPictures {
  // promise; width: of the features; means: directions as whole numbers of 8 bits, class by class; scores: of validation
  // pictures, ascending, 32-bit floats; least: of each class the smallest probability in a set
  constructor({ promise, width, means, scores, least }) {
    this.promise = promise;
    this.width = width;
    this.means = Float32Array.from(new Int8Array(fromBase64(means).buffer));
    for (let at = 0; at < this.means.length; at += width) {
      const mean = this.means.subarray(at, at + width);
      const length = Math.max(Math.hypot(...mean), 1); // a mean of zeros stays zeros
      for (let i = 0; i < width; i++) mean[i] /= length;
    }
    this.scores = new Float32Array(fromBase64(scores).buffer);
    this.least = least;
  }

  // The distance to the nearest class mean, 1 minus the cosine.
  score(features) {
    let square = 0;
    for (const feature of features) square += feature * feature;
    const length = Math.max(Math.sqrt(square), 1e-38);
    let nearest = -Infinity;
    for (let at = 0; at < this.means.length; at += this.width) {
      let sum = 0;
      for (let i = 0; i < this.width; i++) sum += this.means[at + i] * features[i];
      nearest = Math.max(nearest, sum / length);
    }
    return 1 - nearest;
  }

  // At most this share of known pictures looks as strange.
  pValue(features) {
    return this.pValueAt(this.score(features));
  }

  pValueAt(score) {
    const asStrange = this.scores.reduce((count, known) => count + (known >= score ? 1 : 0), 0);
    return (1 + asStrange) / (this.scores.length + 1);
  }

  // Whether a p-value of the server may be that of these features: between those of a little farther and a little nearer.
  agrees(features, pValue) {
    const score = this.score(features);
    return this.pValueAt(score + APART) <= pValue && pValue <= this.pValueAt(score - APART);
  }

  isStrange(features) {
    return this.pValue(features) <= this.promise + ROUNDING;
  }

  // The classes that a picture may be, most probable first; where none is probable enough those that hold 95 % together.
  possible(probabilities) {
    const order = orderOf(probabilities);
    const found = order.filter((label) => probabilities[label] >= this.least[label]);
    if (found.length) return found;
    let reached = 0;
    const end = order.findIndex((label) => (reached += probabilities[label]) >= 1 - this.promise);
    return end < 0 ? order : order.slice(0, end + 1);
  }
}

// Classes, most probable first.
function orderOf(probabilities) {
  return probabilities.map((_, place) => place).sort((one, other) => probabilities[other] - probabilities[one]);
}

// Such as "cat or dog", "cat, dog or cow", "cat, dog or one of 8 others".
function joinClasses(names) {
  if (names.length > NAMED) names = [...names.slice(0, NAMED - 1), `one of ${names.length - NAMED + 1} others`];
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
