// gemmlowp_softmax: the exponential and the reciprocal of quantize/runtime/softmax.h beside those of
// gemmlowp, from which TensorFlow Lite for Microcontrollers' SOFTMAX is made, over all their inputs'
// range (Debian: libgemmlowp-dev; tflite.sh builds it). Exit code 1 when one differs.
#include <cstdint>
#include <cstdio>
#include <gemmlowp/fixedpoint/fixedpoint.h>

#include "quantize/runtime/softmax.h"

int main()
{
    using Difference = gemmlowp::FixedPoint<int32_t, 5>;
    using Share = gemmlowp::FixedPoint<int32_t, 0>;
    long differ = 0, n = 0;
    for (int64_t x = INT32_MIN; x <= 0; x += 97, n++)
        differ += sotto_exp((int32_t)x) !=
                  gemmlowp::exp_on_negative_values(Difference::FromRaw((int32_t)x)).raw();
    differ += sotto_exp(0) != gemmlowp::exp_on_negative_values(Difference::FromRaw(0)).raw();
    for (int64_t x = 0; x <= INT32_MAX; x += 97, n++)
        differ += sotto_reciprocal((int32_t)x) !=
                  gemmlowp::one_over_one_plus_x_for_x_in_0_1(Share::FromRaw((int32_t)x)).raw();
    std::printf("softmax against gemmlowp\t%ld\t%ld\t%ld\t-\t%s\n", n, n, differ,
                differ ? "DIFFERENT" : "equal");
    return differ != 0;
}
