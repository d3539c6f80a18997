// An .onnx file run by ONNX Runtime on the CPU, one thread (onnx.sh): samples of input k lie in
// DIR/i<k> as raw numbers, of output k they go to DIR/o<k>.
//
// usage: NODE_PATH=.../node_modules node bench/peers/onnx_run.js FILE.onnx DIR
// ONNX_RUN_OPTIMIZE: all (as people run it) or disabled.
const fs = require("fs");
const ort = require("onnxruntime-node");

const BATCH = 50;

async function main(file, dir) {
    const session = await ort.InferenceSession.create(file, {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        graphOptimizationLevel: process.env.ONNX_RUN_OPTIMIZE || "all",
        logSeverityLevel: 3,
    });
    const inputs = session.inputMetadata.map((input, k) => {
        const bytes = fs.readFileSync(`${dir}/i${k}`), shape = input.shape.slice(1);
        const int8 = input.type === "int8", kind = int8 ? Int8Array : Float32Array;
        const size = shape.reduce((a, b) => a * b, 1), values = new kind(bytes.length / (int8 ? 1 : 4));
        Buffer.from(values.buffer).set(bytes);
        return { name: input.name, type: input.type, shape, size, values, n: values.length / size };
    });
    const files = session.outputNames.map((_, k) => fs.openSync(`${dir}/o${k}`, "w"));
    for (let at = 0; at < inputs[0].n; at += BATCH) {
        const n = Math.min(BATCH, inputs[0].n - at), feeds = {};
        for (const i of inputs)
            feeds[i.name] = new ort.Tensor(i.type, i.values.slice(at * i.size, (at + n) * i.size), [n, ...i.shape]);
        const results = await session.run(feeds);
        session.outputNames.forEach((name, k) => {
            const v = results[name].data;
            fs.writeSync(files[k], Buffer.from(v.buffer, v.byteOffset, v.byteLength));
        });
    }
    files.forEach((f) => fs.closeSync(f));
}

main(...process.argv.slice(2)).catch((error) => {
    console.error(String(error));
    process.exit(1);
});
