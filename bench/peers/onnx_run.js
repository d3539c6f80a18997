// An .onnx file run by ONNX Runtime on the CPU, one thread: output k of every sample goes to DIR/k as
// raw numbers (onnx.sh).
//
// usage: NODE_PATH=.../node_modules node bench/peers/onnx_run.js FILE.onnx INPUTS DIR
// INPUTS holds samples of float32. ONNX_RUN_OPTIMIZE: all (as people run it) or disabled.
const fs = require("fs");
const ort = require("onnxruntime-node");

const BATCH = 50;

async function main(file, inputs, dir) {
    const session = await ort.InferenceSession.create(file, {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        graphOptimizationLevel: process.env.ONNX_RUN_OPTIMIZE || "all",
        logSeverityLevel: 3,
    });
    const bytes = fs.readFileSync(inputs);
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const input = session.inputMetadata[0], shape = input.shape.slice(1);
    const size = shape.reduce((a, b) => a * b, 1);
    const files = session.outputNames.map((_, k) => fs.openSync(`${dir}/${k}`, "w"));
    for (let at = 0; at < all.length; at += BATCH * size) {
        const part = all.slice(at, at + BATCH * size);
        const tensor = new ort.Tensor("float32", part, [part.length / size, ...shape]);
        const results = await session.run({ [input.name]: tensor });
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
