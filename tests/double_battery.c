/* The operator battery in double: the oracle to 1e-10, gradients element by element to 1e-7. */
#include "tests/battery.h"

int main(int argc, char **argv)
{
    return battery_main("battery in double", argc, argv);
}
