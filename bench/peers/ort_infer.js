// ONNX Runtime's side of `make bench`: microseconds a clip, the median of seven rounds.
//
// usage: NODE_PATH=.../node_modules node bench/peers/ort_infer.js FILE.onnx BATCH THREADS
// (npm install --ignore-scripts onnxruntime-node)
const ort = require("onnxruntime-node");

async function main(file, batch, threads) {
    const session = await ort.InferenceSession.create(file, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: "all",
    });
    const values = Float32Array.from({ length: batch * 490 }, (_, i) => Math.sin(i));
    const feeds = { x: new ort.Tensor("float32", values, [batch, 1, 49, 10]) };
    const rounds = [];
    for (let r = -1; r < 7; r++) {
        const start = process.hrtime.bigint();
        let calls = 0, spent = 0;
        do {
            await session.run(feeds);
            calls++;
            spent = Number(process.hrtime.bigint() - start) / 1e3;
        } while (spent < 150e3);
        if (r >= 0) rounds.push(spent / calls / batch);
    }
    console.log(rounds.sort((a, b) => a - b)[3].toFixed(2));
}

main(process.argv[2], Number(process.argv[3]), Number(process.argv[4]));
