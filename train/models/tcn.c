/* Four convolutions over time, three frames wide, that see all bins at once and halve the frames
 * from the second on: small, quick to train, and at home on features of any shape, so that features
 * can be compared by it (`sotto features`). On 101x40 features and 12 classes 20,124 parameters.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const double channels[] = {24, 32, 48, 64};
    for (int i = 0; i < 4; i++) {
        const zoo_name name = zoo_named("conv%d", i + 1);
        x = nn_conv2d(x, name.s, "out=%d kernel=3x1 stride=%dx1 bias=no",
                      (int)(channels[i] * o->width + 0.5), i > 0 ? 2 : 1);
        x = zoo_norm_relu(x, name.s);
    }
    return nn_dense(nn_globalpool(x, "pool"), "y", "out=%d", o->classes);
}

const zoo_model zoo_tcn = {
    .name = "tcn",
    .summary = "four convolutions over time, for any features",
    .source = "the probe of sotto features",
    .width = {1},
    .scales = "times",
    .features = "logmel_40x101",
    .temporal = true,
    .build = build,
};
