/* The operator battery in float. `test_battery conv2d/gradient` or BATTERY=conv2d runs a part. */
#include "tests/battery.h"

int main(int argc, char **argv)
{
    return battery_main("battery", argc, argv);
}
